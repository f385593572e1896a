"""A libtorrent-rasterbar peer: libtorrent_peer.py TORRENT DIR PORT seed|fetch

fetch prints "bench: done" when it has everything, and continues to seed. It waits for libtorrent's alerts, so the script itself takes no processor time."""
import sys, libtorrent as lt
torrent, folder, port, mode = sys.argv[1:5]
session = lt.session({
    'listen_interfaces': f'0.0.0.0:{port}', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_outgoing_utp': False, 'enable_incoming_utp': False, 'allow_multiple_connections_per_ip': True,
    'alert_mask': lt.alert.category_t.status_notification | lt.alert.category_t.error_notification | lt.alert.category_t.storage_notification})
p = lt.add_torrent_params()
p.ti = lt.torrent_info(torrent)
p.save_path = folder
if mode == 'seed':
    p.flags |= lt.torrent_flags.seed_mode
p.flags &= ~lt.torrent_flags.auto_managed
p.flags &= ~lt.torrent_flags.paused
handle = session.add_torrent(p)
reported = mode == 'seed'
while True:
    session.wait_for_alert(1000)
    for a in session.pop_alerts():
        if isinstance(a, (lt.torrent_error_alert, lt.file_error_alert)):
            print(a, flush=True)
        if isinstance(a, lt.cache_flushed_alert):
            print('bench: done', flush=True)
    if not reported and handle.status().is_seeding:
        reported = True
        handle.flush_cache()  # blocks of pieces that are verified may still wait to be written
