"""How large ads may be here. HTCondor's own limits are a hundred times as large."""

from typing import Final

#: Attributes of one ad. HTCondor reads 1,000,000; slots have about 200, and the longest that its
#: own daemons make (a schedd's statistics, per user) have some thousands.
MAX_ATTRIBUTES: Final = 20_000

#: Bytes of one ad's lines. A slot's are 6,000, a job's with a long environment 100,000. HTCondor
#: limits each string to 10,000,000, and so an ad to 10 TB.
MAX_AD: Final = 4 * 1024 * 1024

#: Characters of a name. HTCondor's own have up to 60, and a name may be made of a user's.
MAX_NAME: Final = 512

#: Lines of an ad that is read before anybody knows who sent it; as HTCondor has it.
MAX_SECURITY_ATTRIBUTES: Final = 100
