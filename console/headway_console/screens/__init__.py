"""The console's screens: the main one and its dialogs, one a file."""
