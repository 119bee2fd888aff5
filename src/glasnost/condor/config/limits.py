"""How large HTCondor's configuration may be here. HTCondor itself knows few limits, and hangs on
macros that lead to each other."""

from typing import Final

#: Bytes of one file. The longest that ships with HTCondor, the commented example, has 100 kB.
MAX_FILE: Final = 1 << 20

#: Files in all. A `config.d` that a configuration management system fills has some dozens.
MAX_FILES: Final = 500

#: Files that include each other, and templates that use each other: HTCondor's own limit.
MAX_DEPTH: Final = 20

#: `if` within `if`: HTCondor's own limit.
MAX_IFS: Final = 63

#: Characters of a value, as it stands in a file or when its macros are replaced. What is read of
#: it are names, paths and lists of hosts.
MAX_VALUE: Final = 32768

#: Macros replaced in one value. Those that ship with HTCondor need less than ten.
MAX_MACROS: Final = 500
