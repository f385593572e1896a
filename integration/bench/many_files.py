#!/usr/bin/env python3
"""A share of many small files, compared with libtorrent: making the torrent, restarting, fetching; time and memory.

usage: many_files.py [--files N] [--p2pshare BIN] [--no-libtorrent]
p2pshare publishes into a daemon, which is stopped and started again, and another daemon fetches from it. libtorrent makes
the torrent (piece hashes of all files), restarts from its resume data, and fetches from another libtorrent. The bytes of
every fetch are compared. Needs Debian's python3-libtorrent.
"""
import argparse, atexit, filecmp, os, random, shutil, subprocess, sys, tempfile, time
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
from daemonapi import Daemon
P = argparse.ArgumentParser()
P.add_argument('--files', type=int, default=100_000); P.add_argument('--p2pshare', default='p2pshare'); P.add_argument('--no-libtorrent', action='store_true')
A = P.parse_args()
W = tempfile.mkdtemp(prefix='p2pbench-', dir='/dev/shm'); atexit.register(shutil.rmtree, W, True)
random.seed(1); total = 0; path = f'{W}/data/many'
for i in range(A.files):
    d = f'{path}/{i % 317:03d}'
    if i < 317: os.makedirs(d)
    n = random.randint(1, 2000); total += n
    with open(f'{d}/file-{i:06d}', 'wb') as f: f.write(random.randbytes(n))
def same(a, b):
    for d, _, fs in os.walk(a):
        for f in fs:
            p = os.path.join(d, f); q = os.path.join(b, os.path.relpath(p, a))
            if not os.path.exists(q) or not filecmp.cmp(p, q, shallow=False): return False
    return True
print(f'{A.files} files, {total / 1e6:.0f} MB')
row = lambda who, what, s, mb, ok='': print(f'{who:11s} {what:28s} {s:7.2f} s {mb:7.0f} MB {ok}', flush=True)
still = ['--listen', '127.0.0.1', '--no-dht', '--no-lan', '--no-upnp']
home = f'{W}/home'; d = Daemon(A.p2pshare, home, still)
t = time.monotonic(); pub = d.until('publish', {'path': path}, lambda e: 'published' in e)['published']
row('p2pshare', 'publish', time.monotonic() - t, d.memory('VmHWM'))
d.end(); d = Daemon(A.p2pshare, home, still)
while d.status('many')['shares'][0]['state'] != 'seeding': time.sleep(0.005)
row('p2pshare', 'restart until it serves', time.monotonic() - d.begun, d.memory('VmHWM'))
f = Daemon(A.p2pshare, f'{W}/home-2', still); os.makedirs(f'{W}/out')
t = time.monotonic()
f.until('fetch', {'ref': pub['magnet'], 'dir': f'{W}/out', 'seed': True, 'peers': [f'127.0.0.1:{d.status()["port"]}']}, lambda e: 'fetched' in e)
row('p2pshare', 'fetch', time.monotonic() - t, f.memory('VmHWM'), 'same bytes' if same(path, f'{W}/out/many') else 'BYTES DIFFER')
row('p2pshare', 'seeding it meanwhile', 0, d.memory('VmHWM'))
time.sleep(5); row('p2pshare', 'idle afterwards', 5, d.memory()); f.end(); d.end()
shutil.rmtree(f'{W}/out')
if not A.no_libtorrent:
    run = lambda *a: subprocess.run(['/usr/bin/python3', f'{HERE}/lt_many.py', *a], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    for what, s, mb in (x.split(':') for x in run(W, path)): row('libtorrent', what.replace('_', ' '), float(s), float(mb), '' if what != 'fetch' else 'same bytes' if same(path, f'{W}/lt-out/many') else 'BYTES DIFFER')
