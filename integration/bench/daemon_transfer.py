#!/usr/bin/env python3
"""The cost of a daemon in a transfer: one seeder, one fetcher, each in its own process or in a daemon, on an unlimited virtual link.

usage: daemon_transfer.py DATA_DIR [--runs N] [--p2pshare BIN]
The four pairs in turn, N rounds; time of the fetch command (the same command with a daemon), processor time of both ends,
and peak memory. The bytes of every run are compared. Needs root (network namespaces) and iproute2.
"""
import argparse, atexit, filecmp, os, shutil, signal, statistics, subprocess, sys, tempfile, time
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
from netlab import Lab
from daemonapi import Daemon
P = argparse.ArgumentParser()
P.add_argument('data'); P.add_argument('--runs', type=int, default=3); P.add_argument('--p2pshare', default='p2pshare'); A = P.parse_args()
W = tempfile.mkdtemp(prefix='p2pbench-', dir='/dev/shm'); atexit.register(shutil.rmtree, W, True)
data = os.path.abspath(A.data); parent, name = os.path.split(data); B = A.p2pshare
lab = Lab(2); atexit.register(lab.close); T = f'{W}/t.torrent'
quiet = ['--no-dht', '--no-lan', '--no-upnp', '--port', '6881']
subprocess.run([B, 'publish', '--home', f'{W}/h', '--alone', '--no-seed', '--format', 'v1', '--piece-length', '1MiB', '-q', '-o', T, data], check=True, stdout=subprocess.DEVNULL)
total = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(data) for f in fs)
def cpu(pid):
    try: s = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split(); return (int(s[11]) + int(s[12])) / os.sysconf('SC_CLK_TCK')
    except OSError: return 0.0
def peak(pid):
    try: return next(int(l.split()[1]) / 1024 for l in open(f'/proc/{pid}/status') if l.startswith('VmHWM'))
    except (OSError, StopIteration): return 0.0
def same(a, b):
    return all(os.path.exists(q) and filecmp.cmp(p, q, shallow=False) for d, _, fs in os.walk(a) for f in fs for p in [os.path.join(d, f)] for q in [os.path.join(b, os.path.relpath(p, a))])
def run(seed, fetch, n):
    d = f'{W}/{seed}-{fetch}-{n}'; out = f'{d}/out'; os.makedirs(out); daemons = []; wrap = lambda i: lambda c: lab.exec(i, c)
    if seed == 'daemon':
        s = Daemon(B, f'{d}/s', quiet, wrap(1)); daemons.append(s); spid = s.proc.pid
        s.until('seed', {'torrents': [T], 'data': parent}, lambda e: 'seeding' in e)
    else:
        s = subprocess.Popen(lab.exec(1, [B, 'seed', '--home', f'{d}/s', '-q', *quiet, '--data', parent, T]), stdout=subprocess.PIPE, text=True); spid = s.pid
        assert s.stdout.readline().startswith('magnet:')
    cmd = [B, 'fetch', '--home', f'{d}/f', '-q', '--peer', f'{lab.ip(1)}:6881', '-o', out, T]
    if fetch == 'daemon': f = Daemon(B, f'{d}/f', quiet, wrap(2)); daemons.append(f); watch = lambda p: f.proc.pid
    else: cmd[2:2] = quiet; watch = lambda p: p
    base, before = cpu(spid), 0
    if fetch == 'daemon': before = cpu(f.proc.pid)
    t = time.monotonic(); p = subprocess.Popen(lab.exec(2, cmd), stdout=subprocess.DEVNULL); used = memory = 0
    while p.poll() is None: used, memory = max(used, cpu(watch(p.pid))), max(memory, peak(watch(p.pid))); time.sleep(0.01)
    wall = time.monotonic() - t; ok = p.returncode == 0 and same(data, f'{out}/{name}')
    if fetch == 'daemon': used = cpu(f.proc.pid) - before
    r = wall, cpu(spid) - base, used, peak(spid), memory, ok
    for x in daemons: x.end()
    if seed != 'daemon': s.send_signal(signal.SIGINT); s.wait()
    shutil.rmtree(d, ignore_errors=True); return r
pairs = [('alone', 'alone'), ('daemon', 'alone'), ('alone', 'daemon'), ('daemon', 'daemon')]; res = {p: [] for p in pairs}
for n in range(A.runs):
    for p in pairs: res[p].append(run(*p, n)); print(f'# round {n} {":".join(p):14s} {res[p][-1][0]:6.2f} s', file=sys.stderr, flush=True)
print(f'payload {total/1e6:.0f} MB, median of {A.runs}; seeder:fetcher')
for p, rs in res.items():
    m = lambda i: statistics.median(r[i] for r in rs)
    print(f'{":".join(p):14s} {m(0):6.2f} s {total/1e6/m(0):6.0f} MB/s  cpu seed {m(1):5.2f} fetch {m(2):5.2f} s  rss seed {m(3):5.0f} fetch {m(4):5.0f} MB  ok {sum(r[5] for r in rs)}/{len(rs)}')
