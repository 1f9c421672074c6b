"""Attempts of a confined child to get at what it must not: by route, each tried on all targets."""

from __future__ import annotations

TARGETS = (
    "headway.toml",
    "tools.py",
    "policies/p.toml",
    "policies/new.toml",
    ".git/config",
    ".git/hooks/pre-commit",
    "sub/policies/q.toml",
    "sub/policies/new.toml",
    "deep/headway.toml",
    "deep/policies/p.toml",
    "deep/.git/config",
    "deep/.git/hooks/pre-commit",
    "Policies/p.toml",
    "HEADWAY.TOML",
)
"""Control files, existing or not, by their paths in the project."""

PYTHON_WRITES = """
import os, sys, shutil, mmap, pathlib
t = sys.argv[1]
def tried(act):
    try: act()
    except Exception: pass
def mapped():
    with open(t, "r+b") as f, mmap.mmap(f.fileno(), 0) as m: m[:3] = b"ESC"
def by_descriptor():
    d = os.open(os.path.dirname(t) or ".", os.O_RDONLY)
    f = os.open(os.path.basename(t), os.O_WRONLY | os.O_CREAT, dir_fd=d); os.write(f, b"ESC")
def replaced():
    pathlib.Path("py-new").write_text("ESC"); os.replace("py-new", t)
def linked():
    pathlib.Path("py-link").write_text("ESC"); os.unlink(t); os.link("py-link", t)
tried(lambda: os.makedirs(os.path.dirname(t) or ".", exist_ok=True))
tried(lambda: os.chmod(t, 0o777)); tried(lambda: open(t, "w").write("ESC")); tried(lambda: os.truncate(t, 0))
tried(mapped); tried(by_descriptor); tried(replaced); tried(linked); tried(lambda: shutil.copy("evil", t))
tried(lambda: os.rename(os.path.dirname(t), "moved-by-python")); tried(lambda: shutil.rmtree(os.path.dirname(t)))
tried(lambda: os.makedirs(os.path.dirname(t))); tried(lambda: pathlib.Path(t).write_text("ESC"))
"""

ROUTES = {
    "write": 'mkdir -p "$(dirname {t})"; echo ESC > {t}; echo ESC >> {t}; : > {t}',
    "copy": 'mkdir -p "$(dirname {t})"; cp evil {t}; cp --remove-destination evil {t}; install -m 755 evil {t}',
    "pipe": 'mkdir -p "$(dirname {t})"; echo ESC | tee {t}; echo ESC | dd of={t} conv=notrunc',
    "rename": 'mkdir -p "$(dirname {t})"; cp evil new; mv -f new {t}',
    "rename of a parent": 'd="$(dirname {t})"; mv "$d" moved; mkdir -p "$d"; echo ESC > {t}; mv moved back',
    "removal": 'd="$(dirname {t})"; rm -f {t}; rm -rf "$d"; mkdir -p "$d"; echo ESC > {t}',
    "exchange of parents": 'd="$(dirname {t})"; mkdir -p fake; echo ESC > fake/"$(basename {t})"; mv -T "$d" old; '
    'mv -T fake "$d"',
    "hard link": 'mkdir -p "$(dirname {t})"; ln {t} other && echo ESC > other; ln -f evil {t}',
    "symbolic link": 'mkdir -p "$(dirname {t})"; ln -s "$PWD/{t}" link && echo ESC > link; ln -sfn "$PWD/evil" {t}',
    "link to the parent": 'd="$(dirname {t})"; mkdir -p "$d"; ln -s "$PWD/$d" up; echo ESC > up/"$(basename {t})"',
    "sed": "sed -i 's/.*/ESC/' {t}; sed -i -e '1i ESC' {t}",
    "mode": "chmod -R a+rwx .; chown -R 0:0 .; chattr -i {t}; setfacl -m u::rwx {t}; echo ESC > {t}",
    "time": "touch {t}; truncate -s 0 {t}; fallocate -p -o 0 -l 4 {t}",
    "tar": 'mkdir -p s/"$(dirname {t})"; echo ESC > s/{t}; tar -C s -cf a.tar .; tar --overwrite -xf a.tar; '
    "tar --unlink-first -xf a.tar",
    "zip": 'mkdir -p z/"$(dirname {t})"; echo ESC > z/{t}; (cd z && zip -qr ../a.zip .); unzip -qo a.zip; '
    "{python} -m zipfile -e a.zip .",
    "cpio": 'mkdir -p c/"$(dirname {t})"; echo ESC > c/{t}; (cd c && find . | cpio -o > ../a.cpio); cpio -idu < a.cpio',
    "rsync and cp -a": 'mkdir -p r/"$(dirname {t})"; echo ESC > r/{t}; cp -a r/. .; rsync -a --delete r/ .',
    "patch": "printf -- '--- {t}\\n+++ {t}\\n@@ -0,0 +1 @@\\n+ESC\\n' | patch -p0 -f; git apply --unsafe-paths x",
    "python": "{python} -c '{writes}' {t}",
    "shell redirections": "exec 3<>{t}; echo ESC >&3; echo ESC > /proc/self/cwd/{t}; echo ESC > /proc/$$/root/$PWD/{t}",
    "through the first process": "echo ESC > /proc/1/root$PWD/{t}; echo ESC > /proc/1/cwd/{t}; "
    "nsenter -t 1 -m sh -c 'echo ESC > {t}'",
    "mounts": 'umount {t}; umount -l "$(dirname {t})"; mount -o remount,rw,bind {t}; mount --bind evil {t}; '
    'mount -t tmpfs none "$(dirname {t})"; echo ESC > {t}',
    "namespaces": "unshare -Urm sh -c 'umount -l {t}; mount -o remount,rw,bind {t}; echo ESC > {t}'; "
    "unshare -U sh -c 'echo ESC > {t}'; setpriv --reuid 0 sh -c 'echo ESC > {t}'; su -c 'echo ESC > {t}'",
    "left behind": "(setsid sh -c 'while :; do mkdir -p \"$(dirname {t})\"; echo ESC > {t}; done' &) ; sleep 0.01",
}
"""What is done to each target: ``{t}``."""

GIT = """
git config core.fsmonitor ESC; git config --file .git/config core.fsmonitor ESC; git init .; git init --bare bare;
git init deep; git -C deep config core.fsmonitor ESC; git init --separate-git-dir=.git/hooks/x y; git worktree add w;
git clone . cloned; git --git-dir=.git config alias.x '!ESC'; git config --global core.hooksPath "$PWD/evil";
mkdir -p n/objects n/refs; echo 'ref: refs/heads/x' > n/HEAD; printf '[core]\\nfsmonitor = ESC\\n' > n/config;
echo ../evil > .git/commondir; mv .git .git2; cp -r .git2 .git; mv .git2/config .git/config
"""
"""Ways by which git would run something later."""

READS = """
cat {home}/.ssh/id_ed25519 {state}/token ~/.ssh/* /root/.ssh/* /proc/*/environ /proc/1/root{state}/token; ls -a {home};
cat ../headway/token ../.ssh/id_ed25519; cat /proc/self/cwd/../headway/token; env; cat /etc/shadow /etc/ssl/private/*;
ln -s {state}/token t; cat t; tar -cf - {home} | cat; find / -name token -exec cat {{}} +; cat /proc/{pid}/environ;
cat /proc/{pid}/root{state}/token; cat /dev/mem /proc/kcore | head -c 100; dd if=/dev/vda bs=1 count=9;
for f in 3 4 5 6 7 8 9; do cat <&$f; cat /proc/self/fd/$f; done;
for f in 3 4 5 6 7 8 9; do timeout 1 head -c 99 /proc/1/fd/$f; done; strings /proc/1/mem
"""
"""Ways to what is secret."""

REACHES = """
import ctypes, os, signal, socket, sys
state, abstract, port, pid = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def tried(name, act):
    try: act()
    except Exception: return
    print("REACHED", name)
def unix(address):
    s = socket.socket(socket.AF_UNIX); s.connect(address)
tried("operator socket", lambda: unix(state + "/headway.sock"))
tried("abstract socket", lambda: unix("\\0" + abstract))
for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0"):
    tried(path, lambda: unix(path))
for host in ("127.0.0.1", "::1", "0.0.0.0"):
    tried("tcp " + host, lambda: socket.create_connection((host, port), 2))
tried("name", lambda: socket.getaddrinfo("example.org", 80))
for number in (signal.SIGTERM, signal.SIGKILL, 0):
    tried("signal", lambda: os.kill(pid, number))
libc = ctypes.CDLL(None, use_errno=True)
def called(result):
    if result < 0: raise OSError
tried("ptrace", lambda: called(libc.ptrace(16, pid, None, None)))
tried("mount", lambda: called(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)))
tried("unshare", lambda: called(libc.unshare(0x10000000)))
tried("chroot", lambda: os.chroot("/tmp"))
tried("mknod", lambda: os.mknod("/tmp/node", 0o060600, os.makedev(254, 0)))
tried("setuid", lambda: os.setuid(0))
tried("host name", lambda: socket.sethostname("x"))
for path in ("sys/kernel/core_pattern", "sys/vm/drop_caches", "sys/net/ipv4/ip_forward", "sysrq-trigger"):
    tried(path, lambda: os.open("/proc/" + path, os.O_WRONLY))  # never written to: it would be this machine's
tried("module", lambda: os.open("/sys/module/loop/parameters/max_loop", os.O_WRONLY))
tried("usr", lambda: open("/usr/bin/headway-escape", "w"))
tried("etc", lambda: open("/etc/ld.so.preload", "w"))
tried("terminal", lambda: open("/dev/tty", "w"))
tried("outside", lambda: open(os.path.dirname(os.getcwd()) + "/outside.txt", "r"))
"""
"""Ways out of the namespaces; each that works prints REACHED."""

SET_ID = """
import ctypes, errno, mmap, os, platform, socket, stat, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def called(result):
    if result < 0: raise OSError(ctypes.get_errno(), "refused")
    return result
def made(name, mode=0o600):
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, mode)); return name
def fchmod(name):
    d = os.open(made(name), os.O_RDONLY); os.fchmod(d, 0o4755)
def chmod_of_socket(name):
    s = socket.socket(socket.AF_UNIX); os.fchmod(s.fileno(), 0o4755); s.bind(name)
def unnamed(name):
    d = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o6755)
    os.link(f"/proc/self/fd/{d}", name, src_dir_fd=0, follow_symlinks=True)
def openat2(name):
    how = ctypes.create_string_buffer(struct.pack("<QQQ", 0o101, 0o4755, 0))
    called(libc.syscall(437, -100, name.encode(), how, 24))
def fchmodat2(name):
    called(libc.syscall(452, -100, made(name).encode(), 0o4755, 0))
def garbage_in_high_bits(name):
    called(libc.syscall(ctypes.c_long(90 if x86 else 52), made(name).encode() if x86 else os.open(made(name), 0),
                        ctypes.c_ulong(0xdead00000000 | 0o4755)))
def as_i386(number):
    def act(name):
        path = name.encode() + b"\\0"; os.close(os.open(name, os.O_CREAT, 0o600))
        page = mmap.mmap(-1, 4096, flags=0x22 | 0x40, prot=7)  # MAP_32BIT
        at = ctypes.addressof(ctypes.c_char.from_buffer(page)); page[2048:2048 + len(path)] = path
        second = 0o4755 if number == 15 else 0o101
        code = b"\\x53\\xb8" + struct.pack("<I", number) + b"\\xbb" + struct.pack("<I", at + 2048)
        code += b"\\xb9" + struct.pack("<I", second) + b"\\xba" + struct.pack("<I", 0o4755) + b"\\xcd\\x80\\x5b\\xc3"
        page[:len(code)] = code
        if number != 15: os.unlink(name)
        if not os.fork():
            ctypes.CFUNCTYPE(ctypes.c_int)(at)(); os._exit(0)
        os.wait()
    return act
def as_x32(name):
    called(libc.syscall(0x40000000 | 90, made(name).encode(), 0o4755))
def ring(name):
    called(libc.syscall(425, 1, ctypes.create_string_buffer(120))); print("REACHED io_uring")
def in_new_namespaces(name):
    called(libc.unshare(0x10000000)); os.chmod(made(name), 0o4755)
x86 = platform.machine() == "x86_64"
os.umask(0)
WAYS = {
    "chmod": lambda name: os.chmod(made(name), 0o4755),
    "chmod to setgid": lambda name: os.chmod(made(name), 0o2755),
    "fchmod": fchmod,
    "fchmodat": lambda name: os.chmod(made(name), 0o6755, dir_fd=os.open(".", os.O_RDONLY)),
    "fchmodat2": fchmodat2,
    "open": lambda name: os.open(name, os.O_CREAT | os.O_WRONLY, 0o4755),
    "open to setgid": lambda name: os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o2755),
    "openat": lambda name: os.open(name, os.O_CREAT | os.O_WRONLY, 0o4755, dir_fd=os.open(".", os.O_RDONLY)),
    "openat2": openat2,
    "creat": lambda name: called(libc.creat(name.encode(), 0o4755)),
    "unnamed file": unnamed,
    "mknod": lambda name: os.mknod(name, stat.S_IFREG | 0o4755),
    "mknodat": lambda name: os.mknod(name, stat.S_IFREG | 0o4755, dir_fd=os.open(".", os.O_RDONLY)),
    "pipe": lambda name: os.mknod(name, stat.S_IFIFO | 0o4755),
    "socket": chmod_of_socket,
    "folder": lambda name: (os.mkdir(name, 0o6755), os.chmod(name, 0o6755)),
    "high bits": garbage_in_high_bits,
    "io_uring": ring,
    "namespaces": in_new_namespaces,
}
if x86:
    WAYS |= {"i386 chmod": as_i386(15), "i386 open": as_i386(5), "x32": as_x32}
for way in WAYS:
    if os.fork() == 0:
        try: WAYS[way]("made by " + way)
        except Exception as error: print(way, error)
        sys.stdout.flush(); os._exit(0)
    os.wait()
for number in (2 << 8, 1 << 8 | 3) if len(sys.argv) == 1 else ():
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        try: os.mknod(f"device {number} {kind}", kind | 0o666, number); print("REACHED device")
        except OSError: pass
"""
"""Ways to leave a file with the setuid or setgid bit, or a device."""

SET_ID_COMMANDS = """
touch s1 s2 s3; chmod u+s s1; chmod 2755 s2; chmod ug+s s3; install -m 4755 evil s4; cp -p "$(command -v su)" s5
mkdir -m 2755 d1; mkdir d2; chmod g+s d2; cp -a /usr/bin/passwd /usr/bin/chage /usr/bin/su .; mkfifo -m 4644 f1
{python} - <<'END'
import io, tarfile
with tarfile.open("s.tar", "w") as tar:
    for name, mode in (("t1", 0o4755), ("t2", 0o2755)):
        entry = tarfile.TarInfo(name); entry.mode = mode; tar.addfile(entry, io.BytesIO())
END
tar -xpf s.tar; {python} -c 'import shutil; shutil.unpack_archive("s.tar")'
rsync -a /usr/bin/su s6; perl -e 'chmod 04755, "s1"'
"""
"""The same by the programs that are there."""
