"""Parameters of the content routes: the data port reads them, the gateway's description tells of them."""

from __future__ import annotations

from runtime.http.declared import choice, flag, integer, mode, optional_integer, required_text, text

FOLLOW_SYMLINKS = flag(
    "follow_symlinks", "Whether a symbolic link stands for what it leads to.", default=True
)
UPLOAD_OFFSET = optional_integer(
    "offset",
    "Where to write. Without it, the body replaces the content; with it, also with 0, all the body does not "
    "cover is kept.",
    low=0,
)

CHILD_NAME = required_text("name", "Name of the new entry.")
TYPE = choice(
    "type",
    "What to make: a file, a directory, a hard link or a symbolic link.",
    ("REG", "DIR", "LNK", "SYMLNK"),
    default="REG",
)
MODE = mode(
    "mode", "Permission bits in octal digits, 0 to 1777; by default 664 for files, 775 for directories."
)
OFFSET = integer("offset", "Where in a new file the body goes.", default=0, low=0)
UPDATE_EXISTING = flag(
    "update_existing",
    "What is there already is no error: files and directories get the mode, files the body at `offset` "
    "without being cut; links are replaced.",
)
TARGET_FILE_ID = text("target_file_id", "LNK: the file that gets another name. Required there.", empty=False)
TARGET_FILE_PATH = text(
    "target_file_path", "SYMLNK: text of the link, kept as it is. Required there.", empty=False
)
CREATE_PARENTS = flag("create_parents", "Whether directories that are missing on the way are made.")

#: Of everything that creates.
CREATION = (TYPE, MODE, OFFSET, UPDATE_EXISTING, TARGET_FILE_ID, TARGET_FILE_PATH)
