"""Programs that start other programs: where in their words the command stands that they run.

Each row of :data:`STARTERS` is one program. What is not in the table starts nothing that a rule could see, and is
judged as itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headway.policy.exec.words import names

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Starter:
    """One program's options, as far as they say where its command stands.

    ``plain`` options stand alone, ``valued`` ones take a value, the value of ``text`` ones is a command for a shell.
    Options are named without dashes, short ones by one letter. ``skip`` words stand between options and command.
    ``assigns``: ``NAME=value`` may stand before it. ``appends``: words follow it that only its input tells.
    ``joins``: its words are put together and read by a shell. ``neutral``: it needs no allowance of its own, for it
    does nothing but run what is judged anyway.
    """

    plain: frozenset[str] = _NONE
    valued: frozenset[str] = _NONE
    text: frozenset[str] = _NONE
    skip: int = 0
    assigns: bool = False
    appends: bool = False
    joins: bool = False
    neutral: bool = True
    optional: frozenset[str] = _NONE  # short options whose value can only be attached


def _row(
    plain: str = "",
    valued: str = "",
    text: str = "",
    *,
    skip: int = 0,
    assigns: bool = False,
    appends: bool = False,
    joins: bool = False,
    neutral: bool = True,
    optional: str = "",
) -> Starter:
    options = names(plain), names(valued), names(text)
    return Starter(*options, skip, assigns, appends, joins, neutral, names(optional))


LOADED = _row("list verify inhibit-cache", "library-path preload argv0 audit inhibit-rpath glibc-hwcaps-prepend")
"""The loader of programs, which runs the one that it is given."""

STARTERS: dict[str, Starter] = {
    "builtin": _row(),
    "busybox": _row(),
    "chroot": _row("skip-chdir", "groups userspec", skip=1, neutral=False),
    "chrt": _row("a b d f i m o r R v all-tasks batch fifo idle other rr reset-on-fork", "D P T", skip=1),
    "command": _row("p v V"),
    "coproc": _row(assigns=True),
    "dbus-run-session": _row("", "dbus-daemon config-file", neutral=False),
    "doas": _row("n s L", "C u a", neutral=False),
    "entr": _row("a c d n p r s x z", appends=True),
    "env": _row("i 0 v ignore-environment null debug", "u C unset chdir", assigns=True),
    "exec": _row("c l", "a"),
    "fakeroot": _row("h u v", "l s i b", neutral=False),
    "flock": _row("e F n o s u v x close exclusive nonblock no-fork nb shared unlock verbose",
                  "E w conflict-exit-code timeout wait", "c command", skip=1),
    "ionice": _row("t ignore", "c n p P u class classdata", ),
    "linux32": _row("v"),
    "linux64": _row("v"),
    "ltrace": _row("b C f i L r S t T", "a A D e l n o p s u x F"),
    "nice": _row("", "n adjustment"),
    "nocorrect": _row(),
    "noglob": _row(),
    "nohup": _row(),
    "npx": _row("y yes no q quiet", "p package cache userconfig", "c call", neutral=False),
    "nsenter": _row("a F Z all no-fork preserve-credentials", "t S G target setuid setgid", neutral=False,
                    optional="m u i n p U C T r w"),
    "pnpx": _row(neutral=False),
    "bunx": _row("bun silent verbose", neutral=False),
    "uvx": _row("q v quiet verbose isolated offline no-cache", "from with p python", neutral=False),
    "prlimit": _row("", "p o"),
    "proot": _row("", "r b q w v", neutral=False),
    "runuser": _row("f m p l login fast preserve-environment", "g G s u w group supp-group shell user", "c command",
                    neutral=False),
    "setarch": _row("v R B F I L S T X Z 3", skip=1),
    "setpriv": _row("no-new-privs nnp clear-groups keep-groups reset-env", "reuid regid groups inh-caps ambient-caps"
                    " bounding-set", neutral=False),
    "setsid": _row("c f w ctty fork wait"),
    "start-stop-daemon": _row(neutral=False),
    "stdbuf": _row("", "i o e input output error"),
    "strace": _row("A c C d D f ff h i k n N q qq r t tt ttt T v V w x xx y yy z Z",
                   "a b e E I o O p P s S u U X", neutral=False),
    "sudo": _row("A b B E H i K k l N n P S s V v askpass background preserve-env set-home login non-interactive"
                 " preserve-groups stdin shell", "C D g h p R r T t U u chdir chroot close-from group host prompt role"
                 " type user other-user command-timeout", assigns=True, neutral=False),
    "systemd-inhibit": _row("", "what who why mode", neutral=False),
    "systemd-run": _row("d G P q r S t collect no-ask-password no-block pty quiet remain-after-exit same-dir scope"
                        " shell user system wait", "E H M p u gid nice property setenv slice uid unit working-directory"
                        " description", neutral=False),
    "taskset": _row("a c cpu-list all-tasks", skip=1),
    "time": _row("p q v portability quiet verbose", "f format", assigns=True),
    "timeout": _row("f p v foreground preserve-status verbose", "k s kill-after signal", skip=1),
    "torsocks": _row("i d q", "a u p P", neutral=False),
    "toybox": _row(),
    "unbuffer": _row("p"),
    "unshare": _row("f r c fork map-root-user map-current-user map-auto keep-caps", "R w S G root wd setuid setgid"
                    " propagation setgroups", neutral=False, optional="m u i n p U C T"),
    "watch": _row("b c C d e g p r t w x beep color differences errexit chgexit precise no-rerun no-title exec",
                  "n q interval equexit", joins=True),
    "xargs": _row("0 o p r t x null open-tty interactive no-run-if-empty verbose exit show-limits",
                  "a d E I L n P s arg-file delimiter max-args max-chars max-lines max-procs process-slot-var replace",
                  appends=True, optional="e i l"),
    "xvfb-run": _row("a l auto-servernum listen-tcp", "n p s w server-num server-args wait"),
}  # fmt: skip

_QUIET = "q quiet v verbose isolated no-sync no-project frozen offline no-cache y yes s silent"
_VALUES = "p package python with directory project n name"
RUNNERS = {
    tuple(words.split()): _row(_QUIET, _VALUES, neutral=False)
    for words in (
        "bun x", "bundle exec", "conda run", "hatch run", "mamba run", "npm exec", "npm x", "opam exec", "pdm run",
        "pipenv run", "pipx run", "pixi run", "pnpm dlx", "pnpm exec", "poetry run", "rye run", "uv run", "yarn dlx",
        "yarn exec",
    )
}  # fmt: skip
"""Programs with a subcommand that runs a command."""

SHELLS = names(
    "ash bash csh dash elvish fish ksh ksh93 mksh nu oksh osh pdksh posh pwsh powershell rbash rksh rzsh"
    " sh tcsh yash zsh"
)
"""Shells: ``-c TEXT``, a script, or what they read from stdin."""

POSIX_SHELLS = SHELLS - names("csh elvish fish nu pwsh powershell tcsh")

ELSEWHERE = names(
    "at atq batch crontab docker dockerd ctr nerdctl podman kubectl oc lxc lxc-attach machinectl ssh mosh"
    " rsh slogin parallel sem screen tmux dtach expect gdb lldb rlwrap script su sg newgrp pkexec run0"
    " daemonize xterm vi vim view ex ed nvim emacs m4"
)
"""Programs that run commands which they are told in a way of their own, and no rule can see."""

INLINE: tuple[tuple[re.Pattern[str], frozenset[str], frozenset[str]], ...] = tuple(
    (re.compile(pattern), names(flags), names(valued))
    for pattern, flags, valued in (
        (r"python[0-9.]*|pypy[0-9.]*|ipython[0-9.]*", "c", "W X Q check-hash-based-pycs"),
        (r"perl[0-9.]*", "e E", "0 C D F I M V d i l m x"),
        (r"ruby[0-9.]*|jruby", "e", "C E F I K r"),
        (r"node|nodejs|bun|tsx|ts-node", "e p eval print", "C r require import loader conditions"),
        (r"deno", "eval repl", ""),
        (r"php[0-9.]*", "r B E R run", "c d z"),
        (r"lua[0-9.]*|luajit", "e", "l"),
        (r"R|Rscript|julia|elixir|groovy|scala|ghc|osascript|guile|racket|sbcl|clisp|tclsh|wish|jshell", "e E", ""),
    )
)
"""Interpreters: names, options whose value is code, other options with a value. They read stdin without a script."""

AWK = re.compile(r"[gmnot]?awk|original-awk|busybox-awk")
LOADER = re.compile(r"ld-(linux|musl)[\w.-]*\.so[\w.]*|ld\.so|ld[0-9.-]*\.so(\.\d+)?")

RESERVED = names("! { } case coproc do done elif else esac fi for function if in select then until while")
"""Words of the shell's grammar: where one seems to be a program, the grammar was read otherwise than by a shell."""

LOCAL_BUILTINS = names(
    ": [ [[ break cd continue dirs echo exit export false getopts local logout popd printf pushd pwd read"
    " readonly return set shift sleep test times true type typeset declare umask unset wait"
)
"""Commands of the shell that start no program and write no file: they need no rule where others are allowed."""

CODE_BUILTINS = names(
    "[ [[ declare export getopts let local mapfile printf read readarray readonly test typeset unset wait"
)
"""Commands of the shell that evaluate their words as arithmetic, in which ``a[$(…)]`` runs a command."""

NUMBERS = names("BASHPID COLUMNS EPOCHSECONDS EUID LINENO LINES OPTIND PPID RANDOM SECONDS SHLVL SRANDOM UID")
"""Variables that are numbers unless somebody sets them."""

SETTING_BUILTINS = names("declare export getopts let local mapfile printf read readarray readonly set typeset wait")
"""Commands of the shell that set variables by their words."""

HARMLESS = re.compile(
    r"LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLUMNS|LINES|CI|NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|DEBUG|VERBOSE"
    r"|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|PYTHONHASHSEED|RUST_BACKTRACE|SOURCE_DATE_EPOCH"
)
"""Variables that change no program's doing but its words."""

TAKES_OVER = re.compile(
    r"PATH|CDPATH|ENV|BASH_ENV|BASH_FUNC.*|SHELLOPTS|BASHOPTS|IFS|PS[0-4]|PROMPT_COMMAND|SHELL|LD_.*|DYLD_.*|GIT_.*"
    r"|.*PAGER|.*EDITOR|VISUAL|BROWSER|LESSOPEN|LESSCLOSE|.*ASKPASS|PERL5.*|PERLLIB|PYTHON.*|NODE_OPTIONS|RUBY.*"
    r"|TAR_OPTIONS|RSYNC_.*|MAKEFLAGS|npm_config_.*|HISTFILE|TMOUT|GCONV_PATH|HOME|XDG_.*",
)
"""Variables that make a program, or the shell, run something else."""

GIT_VALUED = names("-C -c --git-dir --work-tree --namespace --exec-path --super-prefix --config-env")
GIT_CONFIG = re.compile(
    r"(user|color|advice|status|pull|column)\.[\w.-]+|init\.defaultbranch|log\.(date|decorate|abbrevcommit|follow)"
    r"|core\.(quotepath|autocrlf|eol|filemode|ignorecase|abbrev|longpaths)|commit\.gpgsign|diff\.(context|renames)"
    r"|merge\.(conflictstyle|ff)|rebase\.(autostash|autosquash)|push\.default|fetch\.prune",
    re.IGNORECASE,
)
"""Settings of git that run nothing."""

_MAKE = r"--ev.*|SHELL=.*|-[a-zA-Z]*E.*|.*\$\(.*|.*\$\{.*|-[a-zA-Z]*f(-|/dev/.*)|-|/dev/.*"

RUNNING_OPTIONS: dict[str, re.Pattern[str]] = {
    "tar": re.compile(r"--(to-|check|us|inf|new|rs|rm).*|-[a-zA-Z]*[IF].*"),
    "bsdtar": re.compile(r"--use-c.*|-[a-zA-Z]*I.*"),
    "rsync": re.compile(r"--(rsh|rsync-p).*|-[a-zA-Z]*e.*"),
    "zip": re.compile(r"-[a-zA-Z]*TT.*|--unzip-c.*"),
    "man": re.compile(r"-[a-zA-Z]*[PH].*|--(p|ht).*"),
    "sort": re.compile(r"--com.*"),
    "split": re.compile(r"--fi.*"),
    "rg": re.compile(r"--pre(=.*)?|--hostname-bin.*"),
    "make": re.compile(_MAKE, re.DOTALL),
    "gmake": re.compile(_MAKE, re.DOTALL),
    "less": re.compile(r"\+.*"),
    "dc": re.compile(r"-[a-zA-Z]*e.*|--exp.*"),
    "sqlite3": re.compile(
        r"(.*\n)?\s*\.(?!(tables|schema|dump|headers|mode|databases|indexes)\b[^|]*\Z).*"
        r"|.*\b(load_extension|edit)\s*\(.*|--?(cmd|init)",
        re.DOTALL,
    ),
    "psql": re.compile(r".*(\\.*[!|`]|\bprogram\b).*", re.DOTALL | re.IGNORECASE),
    "mysql": re.compile(r".*\\[!PT].*|(.*[;\n])?\s*(system|pager|tee)\b.*|--pa.*", re.DOTALL | re.IGNORECASE),
    "mariadb": re.compile(r".*\\[!PT].*|(.*[;\n])?\s*(system|pager|tee)\b.*|--pa.*", re.DOTALL | re.IGNORECASE),
    "scp": re.compile(r"-[a-zA-Z346]*[SoFD].*"),
    "apt": re.compile(r"-[a-z]*[oc].*|--(o|c).*"),
    "apt-get": re.compile(r"-[a-z]*[oc].*|--(o|c).*"),
    "cmake": re.compile(r"-E"),
    "gcc": re.compile(r"-wrapper|-B.*|-fplugin=.*|-specs=.*|--specs=.*"),
    "g++": re.compile(r"-wrapper|-B.*|-fplugin=.*|-specs=.*|--specs=.*"),
    "npm": re.compile(r"--?(script-shell|shell|editor|viewer|browser|git)\b.*|explore"),
    "hash": re.compile(r"-[a-z]*p.*"),
    "enable": re.compile(r"-[a-z]*f.*"),
    "complete": re.compile(r"-[a-z]*[CF].*"),
    "bind": re.compile(r"-[a-z]*x.*"),
    "mapfile": re.compile(r"-[a-z]*C.*"),
    "readarray": re.compile(r"-[a-z]*C.*"),
    "fc": re.compile(r".*"),
    "nmap": re.compile(r"--interactive|--script.*"),
    "go": re.compile(r"--?(exec|toolexec|vettool).*"),
    "cargo": re.compile(r"--config.*"),
    "fd": re.compile(r"-[a-zA-Z]*[xX].*|--exec.*"),
    "fdfind": re.compile(r"-[a-zA-Z]*[xX].*|--exec.*"),
}
"""Options by which a program is told to run another."""

GIT_RUNS = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "archive": r"--(exec|remote).*",
        "clone": r"--(upl|conf|templ).*|-[uc].*|ext::.*",
        "config": r"!.*",
        "difftool": r"--(ext|tool).*|-[xt].*",
        "fetch": r"--(upl|exec).*|ext::.*",
        "fetch-pack": r"--(upl|exec).*",
        "filter-branch": r".*",
        "for-each-repo": r".*",
        "grep": r"--open.*|-O.*",
        "instaweb": r"--(httpd|browser).*|-[db].*",
        "ls-remote": r"--(upl|exec).*|ext::.*",
        "pull": r"--(upl|exec).*|ext::.*",
        "push": r"--(rece|exec).*|ext::.*",
        "rebase": r"--ex.*|-[a-zA-Z]*x.*",
        "remote-ext": r".*",
        "send-email": r"--(smtp-server|sendmail-cmd|to-cmd|cc-cmd|header-cmd).*",
        "send-pack": r"--(rece|exec).*",
        "shell": r".*",
        "submodule--helper": r".*",
    }.items()
}
"""Words by which subcommands of git are told to run something."""

AWK_RUNS = re.compile(r"^-[fEildD]|^--(f|e|i|l|s|d|p)|system|\||getline|@|\bprint[^;}]*>")
