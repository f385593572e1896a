"""The libtorrent part of many_files.py: lt_many.py WORK PATH prints WHAT:SECONDS:PEAK_MB for each step, each in its own process."""
import multiprocessing as mp, os, resource, sys, time
import libtorrent as lt
W, path = sys.argv[1:3]
settings = lambda port: {'listen_interfaces': f'127.0.0.1:{port}', 'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False, 'alert_mask': lt.alert.category_t.all_categories & 0, 'allow_multiple_connections_per_ip': True}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
T = f'{W}/lt.torrent'; R = f'{W}/lt.resume'
def create(q):
    t = time.monotonic(); fs = lt.file_storage(); lt.add_files(fs, path)
    ct = lt.create_torrent(fs, 0, lt.create_torrent.v1_only); lt.set_piece_hashes(ct, os.path.dirname(path))
    open(T, 'wb').write(lt.bencode(ct.generate())); q.put(('publish', time.monotonic() - t, peak()))
def until(h, what):
    while not what(h.status()): time.sleep(0.005)
def check(q):
    t = time.monotonic(); s = lt.session(settings(23001)); p = lt.add_torrent_params(); p.ti = lt.torrent_info(T, {'max_pieces': 10**7, 'max_decode_tokens': 10**8}); p.save_path = os.path.dirname(path)
    h = s.add_torrent(p); until(h, lambda x: x.is_seeding); q.put(('first_check', time.monotonic() - t, peak()))
    s.apply_settings({'alert_mask': lt.alert.category_t.storage_notification}); h.save_resume_data(lt.save_resume_flags_t.save_info_dict)
    while True:
        s.wait_for_alert(1000)
        for a in s.pop_alerts():
            if isinstance(a, lt.save_resume_data_alert): open(R, 'wb').write(lt.write_resume_data_buf(a.params)); return
def seed(q, go, stop):
    t = time.monotonic(); s = lt.session(settings(23001)); p = lt.read_resume_data(open(R, 'rb').read(), {'max_pieces': 10**7, 'max_decode_tokens': 10**8}); h = s.add_torrent(p)
    until(h, lambda x: x.is_seeding); q.put(('start_again_until_it_serves', time.monotonic() - t, peak())); go.set(); stop.wait(); q.put(('seeding_it_meanwhile', 0, peak()))
def fetch(q):
    t = time.monotonic(); s = lt.session(settings(23002)); p = lt.add_torrent_params(); p.ti = lt.torrent_info(T, {'max_pieces': 10**7, 'max_decode_tokens': 10**8}); p.save_path = f'{W}/lt-out'
    h = s.add_torrent(p); h.connect_peer(('127.0.0.1', 23001)); until(h, lambda x: x.is_seeding)
    del h; del s; q.put(('fetch', time.monotonic() - t, peak()))  # ending the session writes the rest
if __name__ == '__main__':
    q = mp.Queue(); show = lambda: print('%s:%.3f:%.1f' % q.get(timeout=600), flush=True)
    def run(f):
        p = mp.Process(target=f, args=(q,)); p.start(); show(); p.join()
    run(create); run(check); go, stop = mp.Event(), mp.Event(); s = mp.Process(target=seed, args=(q, go, stop)); s.start(); go.wait(600); show(); run(fetch); stop.set(); show(); s.join()
