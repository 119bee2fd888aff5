"""What HTCondor 25.14 takes for set where no file sets it, as far as it is read here.

Compared with the release by `tests/condor/config/test_differential.py`.
"""

from typing import Final

_SETTINGS: Final = {
    # Places that others are made of.
    "RELEASE_DIR": "/usr",
    "LOCAL_DIR": "$(TILDE)",
    "BIN": "$(RELEASE_DIR)/bin",
    "SBIN": "$(RELEASE_DIR)/sbin",
    "LIB": "$(RELEASE_DIR)/lib",
    "LIBEXEC": "$(RELEASE_DIR)/libexec",
    "ETC": "$(LOCAL_DIR)",
    "LOG": "$(LOCAL_DIR)/log",
    "SPOOL": "$(LOCAL_DIR)/spool",
    "EXECUTE": "$(LOCAL_DIR)/execute",
    "LOCK": "$(LOG)",
    "RUN": "$(LOCK)",
    # Files that are read behind the first.
    "LOCAL_CONFIG_FILE": "",
    "LOCAL_CONFIG_DIR": "",
    "LOCAL_CONFIG_DIR_EXCLUDE_REGEXP": (
        r"^((\..*)|(.*\.pl)|(.*\.py)|(.*\.sh)|(.*~)|(#.*)|(.*\.rpmsave)|(.*\.rpmnew)"
        r"|(.*\.dpkg-old)|(.*\.dpkg-dist)|(.*\.cfsaved))$"
    ),
    "REQUIRE_LOCAL_CONFIG_FILE": "true",
    "USER_CONFIG_FILE": "user_config",
    # Names.
    "NETWORK_HOSTNAME": "",
    "DEFAULT_DOMAIN_NAME": "",
    "UID_DOMAIN": "$(FULL_HOSTNAME)",
    "FILESYSTEM_DOMAIN": "$(FULL_HOSTNAME)",
    "TRUST_DOMAIN": "$(UID_DOMAIN)",
    "HOST_ALIAS": "$(FULL_HOSTNAME)",
    # Where the pool is, and how one gets there.
    "COLLECTOR_HOST": "$(CONDOR_HOST)",
    "COLLECTOR_PORT": "9618",
    "CCB_ADDRESS": "",
    "PRIVATE_NETWORK_NAME": "$(FULL_HOSTNAME)",
    "NETWORK_INTERFACE": "*",
    "ENABLE_IPV4": "auto",
    "ENABLE_IPV6": "auto",
    "PREFER_IPV4": "true",
    "PREFER_OUTBOUND_IPV4": "$(PREFER_IPV4)",
    "ADVERTISE_IPV4_FIRST": "$(PREFER_IPV4)",
    "IGNORE_TARGET_PROTOCOL_PREFERENCE": "$(PREFER_IPV4)",
    "IGNORE_DNS_PROTOCOL_PREFERENCE": "$(PREFER_IPV4)",
    "TOOLS_ASSUME_FIREWALLS": "false",
    "USE_SHARED_PORT": "true",
    "SHARED_PORT_PORT": "$(COLLECTOR_PORT)",
    "SHARED_PORT_DEFAULT_ID": "",
    "DAEMON_SOCKET_DIR": "auto",
    # Who is who.
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS,IDTOKENS,KERBEROS,SCITOKENS,SSL",
    "SEC_TOKEN_DIRECTORY": "",
    "SEC_TOKEN_SYSTEM_DIRECTORY": "$(ETC)/tokens.d",
    "SEC_PASSWORD_DIRECTORY": "$(ETC)/passwords.d",
    "SEC_PASSWORD_FILE": "$(SEC_PASSWORD_DIRECTORY)/POOL",
    "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "$(SEC_PASSWORD_FILE)",
    "SEC_TOKEN_ISSUER_KEY": "POOL",
    "SEC_TOKEN_MAX_AGE": "",
    "CERTIFICATE_MAPFILE": "",
    "FS_LOCAL_DIR": "",
    "FS_REMOTE_DIR": "",
    "AUTH_SSL_CLIENT_CAFILE": "",
    "AUTH_SSL_CLIENT_CADIR": "",
    "AUTH_SSL_CLIENT_CERTFILE": "",
    "AUTH_SSL_CLIENT_KEYFILE": "",
    "AUTH_SSL_CLIENT_USE_DEFAULT_CAS": "true",
    "AUTH_SSL_SERVER_CAFILE": "",
    "AUTH_SSL_SERVER_CADIR": "",
    "AUTH_SSL_SERVER_USE_DEFAULT_CAS": "true",
    "AUTH_SSL_AUTOGENERATE_CERTFILE": "$(ETC)/hostcert.pem",
    "AUTH_SSL_AUTOGENERATE_KEYFILE": "$(ETC)/hostkey.pem",
    "AUTH_SSL_SERVER_CERTFILE": (
        "/etc/pki/tls/certs/localhost.crt,$(AUTH_SSL_AUTOGENERATE_CERTFILE)"
    ),
    "AUTH_SSL_SERVER_KEYFILE": (
        "/etc/pki/tls/private/localhost.key,$(AUTH_SSL_AUTOGENERATE_KEYFILE)"
    ),
    "AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE": "false",
}
DEFAULTS: Final = {name.lower(): value for name, value in _SETTINGS.items()}

#: Names of the host's own addresses, which `own_address` finds out once the files are read.
OWN_ADDRESSES: Final = frozenset(
    ["ip_address", "ipv4_address", "ipv6_address", "ip_address_is_ipv6"]
)

#: What HTCondor finds out about the host and is not found out here, since nothing that is read
#: here usually needs it.
FOUND_OUT: Final = frozenset(
    [
        *("opsysver", "opsysandver", "opsysmajorver", "opsysname", "opsyslongname"),
        *("opsysshortname", "opsyslegacy", "uname_arch", "uname_opsys"),
        *("utsname_sysname", "utsname_nodename", "utsname_release", "utsname_version"),
        *("utsname_machine", "detected_memory", "detected_cpus", "detected_cores"),
        *("detected_physical_cpus", "detected_cpus_limit"),
    ]
)
