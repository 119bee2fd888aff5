"""Connects programs by name across NAT, firewalls, private networks and the IPv4/IPv6 divide."""
