"""A libtorrent-rasterbar peer: MODE LISTEN REF DIR DHT_NODES LAN PEERS MAX_DOWN MAX_UP ENCRYPTED; MODE is seed, fetch or dht.

Prints "seeding" when it has checked the data, "done" when a download is complete (and ends), "dht" when it is a node.
"""
import sys
import time

import libtorrent as lt

mode, listen, ref, folder, nodes, lan, peers, max_down, max_up, encrypted = sys.argv[1:11]
session = lt.session({
    'listen_interfaces': listen, 'enable_dht': nodes != '', 'dht_bootstrap_nodes': nodes, 'enable_lsd': lan == 'true',
    'enable_outgoing_utp': False, 'enable_upnp': False, 'enable_natpmp': False, 'allow_multiple_connections_per_ip': True,
    # All hosts of a lab are in one /24, which looks like an attack to a node on the internet.
    'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False, 'dht_enforce_node_id': False, 'dht_ignore_dark_internet': False,
    # It would try who did not answer in time, as on a machine that is busy, again after a minute.
    'min_reconnect_time': 2,
    'min_announce_interval': 2, 'dht_announce_interval': 5, 'alert_mask': lt.alert.category_t.error_notification,
})
if encrypted == 'true':
    session.apply_settings({'out_enc_policy': 0, 'in_enc_policy': 0, 'allowed_enc_level': 2, 'prefer_rc4': True})
if mode == 'dht':
    print('dht', flush=True)
    while True:
        time.sleep(1)
params = lt.parse_magnet_uri(ref) if ref.startswith('magnet:') else lt.add_torrent_params()
if not ref.startswith('magnet:'):
    params.ti = lt.torrent_info(ref)
params.save_path = folder
params.flags &= ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
torrent = session.add_torrent(params)
if int(max_down):
    torrent.set_download_limit(int(max_down))  # the session's limit does not apply to local networks, such as a lab
if int(max_up):
    torrent.set_upload_limit(int(max_up))
for peer in filter(None, peers.split(',')):
    host, port = peer.split(':')
    torrent.connect_peer((host, int(port)))
connected = False
while not torrent.status().is_seeding:
    for alert in session.pop_alerts():
        print(alert, file=sys.stderr, flush=True)
    if not connected and torrent.status().total_payload_download > 0:
        connected = True
        print('fetching', flush=True)
    time.sleep(0.02)
if mode == 'fetch':
    print('done', flush=True)
    sys.exit(0)
print('seeding', flush=True)
while True:
    time.sleep(1)
