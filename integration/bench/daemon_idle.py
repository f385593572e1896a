#!/usr/bin/env python3
"""A daemon with many shares that nobody fetches: memory, processor time, and time from start to serving.

usage: daemon_idle.py [--shares N] [--files N] [--seconds S] [--networks none,lan,dht,all] [--p2pshare BIN]
For each kind of network: publish N folders, stop the daemon, start it again, wait until all are shared, then measure for
S seconds. lan is LAN discovery, dht a DHT of ten p2pshare nodes on other hosts of a lab. Needs root (network namespaces)
and iproute2.
"""
import argparse, atexit, os, random, shutil, sys, tempfile, time
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
from netlab import Lab
from daemonapi import Daemon
P = argparse.ArgumentParser()
P.add_argument('--shares', type=int, default=1000); P.add_argument('--files', type=int, default=10); P.add_argument('--seconds', type=int, default=60)
P.add_argument('--networks', default='none,lan,dht,all'); P.add_argument('--p2pshare', default='p2pshare'); P.add_argument('--nodes', type=int, default=10)
A = P.parse_args()
W = tempfile.mkdtemp(prefix='p2pbench-', dir='/dev/shm'); atexit.register(shutil.rmtree, W, True)
lab = Lab(1 + A.nodes); atexit.register(lab.close)
random.seed(1)
for i in range(A.shares):
    os.makedirs(f'{W}/data/share-{i:04d}')
    for j in range(A.files): open(f'{W}/data/share-{i:04d}/file-{j}', 'wb').write(random.randbytes(1000 + 37 * j))
print(f'{A.shares} shares of {A.files} files, {A.seconds} s idle')
print(f'{"network":8s} {"answers":>8s} {"first":>8s} {"all":>8s} {"RSS":>8s} {"peak":>8s} {"CPU":>8s} {"sent":>11s} {"packets":>10s} {"end":>6s}')
for net in A.networks.split(','):
    nodes = []
    flags = ['--no-upnp', '--port', '6881'] + ([] if net in ('lan', 'all') else ['--no-lan'])
    if net in ('dht', 'all'):
        flags += ['--dht-node', f'{lab.ip(2)}:6881']
        for n in range(2, 2 + A.nodes):
            nodes.append(Daemon(A.p2pshare, f'{W}/{net}-node-{n}', ['--no-lan', '--no-upnp', '--port', '6881', '--dht-node', f'{lab.ip(2 if n > 2 else 3)}:6881'], lambda c: lab.exec(n, c)))
    else: flags += ['--no-dht']
    home = f'{W}/{net}-home'; wrap = lambda c: lab.exec(1, c)
    d = Daemon(A.p2pshare, home, flags, wrap)
    for i in range(A.shares): d.until('publish', {'path': f'{W}/data/share-{i:04d}'}, lambda e: 'published' in e)
    d.end()
    d = Daemon(A.p2pshare, home, flags, wrap); first = None
    while first is None:
        if d.status('share-0000')['shares'][0]['state'] == 'seeding': first = time.monotonic() - d.begun
    while True:
        st = d.status()
        if all(s['state'] == 'seeding' for s in st['shares']) and len(st['shares']) == A.shares: break
        time.sleep(0.02)
    every = time.monotonic() - d.begun
    cpu, sent, t = d.cpu(), d.sent(), time.monotonic()
    time.sleep(A.seconds)
    used = (d.cpu() - cpu) / (time.monotonic() - t); now = d.sent(); rss, peak = d.memory(), d.memory('VmHWM')
    end = d.end()
    for n in nodes: n.end()
    print(f'{net:8s} {d.answered:7.2f}s {first:7.2f}s {every:7.2f}s {rss:6.0f}MB {peak:6.0f}MB {used * 100:7.2f}% {(now[0] - sent[0]) / A.seconds / 1000:6.1f} kB/s {(now[1] - sent[1]) / A.seconds:8.1f}/s {end:5.2f}s', flush=True)
    shutil.rmtree(home, ignore_errors=True)
