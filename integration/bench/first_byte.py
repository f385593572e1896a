#!/usr/bin/env python3
"""Time until a fetch on a LAN has its first 64 KiB on disk, when only LAN discovery finds the seeder.

usage: first_byte.py [--p2pshare BIN] [--runs 20]
Prints for each run the times, from the start of the process, until the first bytes and until 64 MiB are complete and
verified, and how many runs had first bytes within a second. Needs root (network namespaces) and Debian's iproute2.
"""
import argparse
import atexit
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from netlab import Lab

P = argparse.ArgumentParser()
P.add_argument('--p2pshare', default='p2pshare')
P.add_argument('--runs', type=int, default=20)
A = P.parse_args()
W = tempfile.mkdtemp(prefix='p2pfirst-', dir='/dev/shm')
atexit.register(shutil.rmtree, W, True)
lab = Lab(2)
atexit.register(lab.close)
FLAGS = ['--no-dht', '--no-upnp']


def first(n):
    """Seconds until 64 KiB of the content are on disk, and until everything is; None if the fetch failed."""
    source = f'{W}/source-{n}/release.bin'
    os.makedirs(os.path.dirname(source))
    with open(source, 'wb') as f:
        f.write(os.urandom(64 << 20))
    seeder = subprocess.Popen(lab.exec(1, [A.p2pshare, 'publish', '--home', f'{W}/h1-{n}', *FLAGS, source]), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
    try:
        magnet = seeder.stdout.readline().strip()
        ref = re.search(r'btih:([0-9a-f]{40})', magnet).group(1)
        out = f'{W}/out-{n}'
        begin = time.time()
        fetch = subprocess.Popen(lab.exec(2, [A.p2pshare, 'fetch', '--home', f'{W}/h2-{n}', *FLAGS, '-o', out, ref]), stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        seen = None
        while fetch.poll() is None and time.time() - begin < 60:
            if seen is None and any(os.stat(os.path.join(d, f)).st_blocks >= 128 for d, _, fs in safe_walk(out) for f in fs if 'release' in f or f.isdigit()):
                seen = time.time() - begin
            time.sleep(0.002)
        if fetch.poll() is None:
            fetch.kill()
        whole = time.time() - begin
        return (seen or whole, whole) if fetch.wait() == 0 else None
    finally:
        seeder.kill()
        seeder.wait()
        shutil.rmtree(f'{W}/source-{n}', True)
        shutil.rmtree(f'{W}/out-{n}', True)


def safe_walk(top):
    """os.walk of a tree that is being moved, without files that have vanished."""
    for d, _, fs in os.walk(top):
        yield d, [], [f for f in fs if os.path.exists(os.path.join(d, f))]


results = [first(n) for n in range(A.runs)]
good = [r for r in results if r]
for n, r in enumerate(results):
    print(f'run {n + 1:2d}: ' + (f'first bytes {r[0]:.3f} s, 64 MiB complete {r[1]:.3f} s' if r else 'FAILED'))
if good:
    print(f'median {statistics.median(r[0] for r in good):.3f} s, worst {max(r[0] for r in good):.3f} s, '
          f'below 1 s: {sum(r[0] < 1 for r in good)} of {A.runs}')
sys.exit(0 if len(good) == A.runs else 1)
