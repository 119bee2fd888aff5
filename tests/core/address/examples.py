"""The example addresses of the design, section 2, for the tests of every form."""

EXAMPLES = [
    "public/ip4:42.82.111.3:9618",
    "public/ip6:[2607:f388::1]:9618",
    "public/ip4:42.82.111.3:9618/service:startd",
    "example.com/ip4:192.168.1.55:9618/service:5491_b8c1_1",
    "public/ip4:173.194.46.96:80/ccb:381/service:5491_b8c1_1",
    "public/ip4:42.82.111.3:9618/service:381_382b_3/ccb:37349/service:5491_b8c1_1",
    "public/ip4:173.194.46.96:80/ccb:node7:reach=ip4@public+ip6@public/service:jupyter",
    "public/ip4:203.0.113.9:9618/service:broker/ccb:gate2/service:broker/ccb:node7/service:jupyter",
    "public/ip6:[2001:db8::7]:9618/service:broker/ccb:node7/service:jupyter,lab/ip4:10.0.0.7:9618/service:jupyter",
    "host.4f2a91/unix:%2Frun%2Fglasnost%2Fport.sock/service:startd",
    "public/dns:cm.example.org:9618/service:directory",
    "public/ip4:198.51.100.4:443/tls:gate.example.org/service:startd",
    "public/ip4:198.51.100.4:443/ws:gate.example.org:%2Fglasnost/service:startd",
    "public/ip4:198.51.100.4:1080/socks5/ip4:10.1.2.3:9618/service:db",
    "public/ip4:198.51.100.4:3128/http-connect/ip4:10.1.2.3:9618/service:db",
    "public/ip4:198.51.100.4:22/ssh:gate/ip4:10.1.2.3:5432",
    "public/knock:fw-7/ip4:198.51.100.4:9618/service:db",
    "lab/ip4:10.8.0.5:9618/service:db",
    "public/ip4:128.105.1.1:9618/condor.sock:collector/condor.ccb:381/condor.sock:5491_b8c1_1",
    "public/ip4:203.0.113.9:9618/carrier-pigeon:7:wings=2/service:db",
]
