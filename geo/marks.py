"""Which networks are data centres and which are relays.

Marks for a reader to weigh, never a verdict: people scan through company gateways, and bots sit on home connections.
"""

import re

# Networks that rent out servers. Kept short on purpose: the word list below catches the long tail by name.
DATACENTERS: dict[int, str] = {
    7224: "Amazon Web Services",
    8987: "Amazon Web Services",
    14618: "Amazon Web Services",
    16509: "Amazon Web Services",
    15169: "Google: cloud, crawlers and app previews (Google Fiber is 16591, people at home)",
    396982: "Google Cloud",
    8075: "Microsoft Azure",
    31898: "Oracle Cloud",
    36351: "IBM Cloud (SoftLayer)",
    63949: "Akamai Connected Cloud (Linode)",
    14061: "DigitalOcean",
    20473: "Vultr",
    16276: "OVHcloud",
    24940: "Hetzner",
    212317: "Hetzner",
    213230: "Hetzner",
    51167: "Contabo",
    141995: "Contabo",
    197540: "netcup",
    8560: "IONOS",
    12876: "Scaleway (Online SAS)",
    202053: "UpCloud",
    28753: "Leaseweb",
    60781: "Leaseweb",
    19148: "Leaseweb",
    27411: "Leaseweb",
    7203: "Leaseweb",
    33070: "Rackspace",
    26496: "GoDaddy hosting",
    47583: "Hostinger",
    22612: "Namecheap hosting",
    36352: "ColoCrossing",
    53667: "FranTech (BuyVM)",
    8100: "QuadraNet",
    37963: "Alibaba Cloud",
    45102: "Alibaba Cloud",
    45090: "Tencent Cloud",
    132203: "Tencent Cloud",
    55990: "Huawei Cloud",
    136907: "Huawei Cloud",
    7684: "SAKURA internet",
    9370: "SAKURA internet",
    9371: "SAKURA internet",
    32934: "Meta: link previews and crawlers",
}

# Networks people come through, so that the place is the relay's, not theirs. A relay is not marked as a data centre
# too: who comes from these addresses is mostly a person with a phone.
RELAYS: dict[int, str] = {
    13335: "Cloudflare: iCloud Private Relay exit, WARP",
    20940: "Akamai: iCloud Private Relay exit",
    36183: "Akamai: iCloud Private Relay exit",
    54113: "Fastly: iCloud Private Relay exit",
    22616: "Zscaler: company web gateway",
    53813: "Zscaler: company web gateway",
    62044: "Zscaler: company web gateway",
    55256: "Netskope: company web gateway",
    9009: "M247: carries many VPN services",
    60068: "Datacamp: carries many VPN services",
    212238: "Datacamp: carries many VPN services",
    39351: "31173 Services: Mullvad VPN",
    62371: "Proton: VPN",
    199218: "Proton: VPN",
    209103: "Proton: VPN",
    136787: "PacketHub: NordVPN and Surfshark",
    147049: "PacketHub: NordVPN and Surfshark",
    207137: "PacketHub: NordVPN and Surfshark",
}

# Whole words in a network's name. "google" and "amazon" alone are left out (Google Fiber, Amazonas Telecom), and so is
# "cloud", which access providers like to be called.
_DATACENTER_WORDS = re.compile(
    r"\b(?:amazon[ .-](?:com|02|aes|data services|technologies)|aws|google[ -]cloud|azure|digital ?ocean|linode"
    r"|vultr|choopa|constant company|ovh(?:cloud)?|hetzner|contabo|netcup|ionos|scaleway|upcloud|leaseweb|rackspace"
    r"|hostinger|dreamhost|bluehost|siteground|hostgator|hostwinds|alibaba|aliyun|tencent|huawei clouds?|oracle cloud"
    r"|oracle-bmc|softlayer|equinix|kamatera|servers\.com|sakura internet|colocrossing|quadranet|psychz|multacom"
    r"|(?:web ?)?hosting|data ?cent(?:er|re)s?|rechenzentrum|colocation|colo|vps|dedicated servers?)\b",
    re.IGNORECASE,
)
_RELAY_WORDS = re.compile(
    r"\b(?:vpn|nordvpn|protonvpn|expressvpn|mullvad|surfshark|packethub|tefincom|zscaler|netskope|private relay"
    r"|tor exit|cloudflare ?warp)\b",
    re.IGNORECASE,
)


def marks_of(asn: int | None, names: tuple[str, ...], *, hosting: bool = False) -> tuple[bool, bool]:
    """(datacenter, relay) for a network. `hosting` is the database's own word for it, where it has one."""
    if asn in RELAYS or any(_RELAY_WORDS.search(name) for name in names):
        return False, True
    return hosting or asn in DATACENTERS or any(_DATACENTER_WORDS.search(name) for name in names), False
