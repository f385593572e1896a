#!/usr/bin/env python3
"""Private groups: the time of a join and of a removal, the cost of many accounts, and the cost of the gate in a transfer.

usage: groups_private.py [--members N] [--accounts N] [--mb N] [--runs N] [--p2pshare BIN]
Each member is a daemon in its own network namespace on one bridge. The removed member is a client with a member's key
(Python's ssl) that keeps two connections to every other member, one of each protocol, and records when each ends.
Accounts are added with user add --csv, which runs scrypt for a second for each. Needs root, iproute2 and openssl.
"""
import argparse, atexit, base64, ctypes, filecmp, hashlib, hmac, json, os, random, shutil, signal, socket, ssl, statistics, subprocess, sys, tempfile, threading, time
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
from netlab import Lab
from daemonapi import Daemon
P = argparse.ArgumentParser()
P.add_argument('--members', type=int, default=20); P.add_argument('--accounts', type=int, default=1000)
P.add_argument('--mb', type=int, default=1024); P.add_argument('--runs', type=int, default=3); P.add_argument('--p2pshare', default='p2pshare')
A = P.parse_args(); B = A.p2pshare
W = tempfile.mkdtemp(prefix='p2pbench-', dir='/dev/shm'); atexit.register(shutil.rmtree, W, True)
lab = Lab(A.members + 1); atexit.register(lab.close)
daemons = {}
def start(i):
    daemons[i] = Daemon(B, f'{W}/h{i}', ['--no-dht', '--no-upnp', '--port', '6881'], lambda c: lab.exec(i, c))
def stop_all():
    for d in daemons.values(): d.proc.kill(); d.proc.wait()
atexit.register(stop_all)
def say(i, *args, text=None):
    """Run a command on host i; returns its output and how long it took."""
    t = time.monotonic()
    r = subprocess.run(lab.exec(i, [B, *args, '--home', f'{W}/h{i}']), input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if r.returncode: raise SystemExit(f'{args}: {r.returncode}: {r.stderr}')
    return r.stdout.strip(), time.monotonic() - t
def asks(i, *args):
    out, took = say(i, *args, '--json'); return json.loads(out.splitlines()[-1]), took
def secret(text):
    f, p = tempfile.mkstemp(dir=W); os.write(f, text.encode() + b'\n'); os.close(f); return p
def until(i, want, *args):
    while want not in say(i, *args)[0]: time.sleep(0.02)

class Link:
    def __init__(self, s):
        b = base64.b32decode((s := s.split(':', 1)[1].split('?')[0].upper()) + '=' * (-len(s) % 8)); self.gid, self.secret = b[2:22], b[22:-2]
    def expand(self, info, n):
        prk = hmac.new(self.gid, self.secret, hashlib.sha256).digest(); return hmac.new(prk, f'p2pshare/v1 {info}'.encode() + b'\1', hashlib.sha256).digest()[:n]
    def name(self): return self.expand(f'sni {int(time.time()) // 86400}', 16).hex()
def context(seed, protocol):
    """TLS as the device with the given seed."""
    key = f'{W}/key.pem'; cert = f'{W}/cert.pem'
    der = bytes.fromhex('302e020100300506032b657004220420' + seed)
    open(key, 'w').write('-----BEGIN PRIVATE KEY-----\n' + base64.b64encode(der).decode() + '\n-----END PRIVATE KEY-----\n')
    subprocess.run(['openssl', 'req', '-x509', '-new', '-key', key, '-out', cert, '-subj', '/', '-days', '2'], check=True, stderr=subprocess.DEVNULL)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    c.minimum_version = ssl.TLSVersion.TLSv1_3; c.load_cert_chain(cert, key); c.set_alpn_protocols([protocol]); return c
def setns(f):
    if ctypes.CDLL(None, use_errno=True).setns(f, 0): raise OSError(ctypes.get_errno(), 'setns')
def dial(i, address):
    """A TCP connection from host i: sockets stay in the namespace in which they are created."""
    me, there = os.open('/proc/self/ns/net', os.O_RDONLY), os.open(f'/run/netns/{lab.p}{i}', os.O_RDONLY)
    try:
        setns(there); s = socket.create_connection(address, 10)
    finally: setns(me); os.close(me); os.close(there)
    return s

print(f'# {os.cpu_count()} cores; {A.members} members on {A.members + 1} hosts')
start(1); made, took = asks(1, 'group', 'create', 'bench', '--private', '--user', 'admin')
print(f'create                              {took:6.2f} s'); link, password = made['link'], made['password']

joins = []
for i in range(2, A.members + 1):
    start(i); joins.append(say(i, 'group', 'join', link, '--account', f'member{i}', '--password-file', secret(password))[1])
print(f'join on the LAN, real scrypt        {statistics.median(joins):6.2f} s median, {max(joins):.2f} s longest of {len(joins)}')
victim = asks(1, 'group', 'user', 'add', 'bench', 'victim'); v, h = victim[0], A.members + 1
print(f'user add                            {victim[1]:6.2f} s'); start(h)
say(h, 'group', 'join', link, '--user', 'victim', '--password-file', secret(v['password']))
seed = json.load(open(f'{W}/h{h}/groups/{Link(link).gid.hex()}/device.key'))['seed']
daemons[h].proc.kill(); daemons[h].proc.wait()

os.makedirs(f'{W}/data'); open(f'{W}/data/small', 'wb').write(os.urandom(1 << 20))
say(1, 'publish', f'{W}/data/small', '--group', 'bench', '--as', 'small@1')
for i in range(2, A.members + 1): say(i, 'fetch', 'bench/small', '--seed', '-o', f'{W}/o{i}')
infohash = bytes.fromhex(json.loads(say(1, 'catalog', 'show', 'bench/small', '--json')[0])['entries'][0]['infohash'])
for i in range(2, A.members + 1): until(i, 'victim', 'group', 'user', 'list', 'bench')

ended, connections = {}, 0
def wait(c, what):
    try:
        while c.recv(1 << 16): pass
    except OSError: pass
    ended[what] = time.monotonic()
threads = []
for protocol, hello in (('http/1.1', b'GET /v1/root?from=1 HTTP/1.1\r\nHost: x\r\n\r\n'), ('p2pshare-bt/1', b'\x13BitTorrent protocol' + bytes(8) + infohash + b'-RG0001-benchmark-1-')):
    tls = context(seed, protocol)
    for i in range(1, A.members + 1):
        c = tls.wrap_socket(dial(h, (lab.ip(i), 6881)), server_hostname=Link(link).name()); c.settimeout(10); c.sendall(hello)
        if not c.recv(1): raise SystemExit(f'member {i} does not accept the {protocol} connection of a member')
        c.settimeout(60); threads.append(threading.Thread(target=wait, args=(c, (protocol, i)))); threads[-1].start()
begun = time.monotonic(); took = asks(1, 'group', 'user', 'remove', 'bench', 'victim')[1]
for t in threads: t.join()
cuts = {p: sorted(e - begun for (q, _), e in ended.items() if q == p) for p in ('http/1.1', 'p2pshare-bt/1')}
print(f'user remove, the command            {took:6.2f} s')
for p, name in (('http/1.1', 'sync'), ('p2pshare-bt/1', 'content')):
    print(f'  from its start, {name:8s} cut      {statistics.median(cuts[p]):6.2f} s median, {cuts[p][-1]:.2f} s the last of {len(cuts[p])}')
print(f'  from its end, the last of all    {max(ended.values()) - begun - took:7.2f} s')

for i in range(3, A.members + 1): daemons.pop(i).end()
open(f'{W}/data/big', 'wb').write(random.Random(1).randbytes(A.mb << 20)); big = f'{W}/data/big'
say(1, 'publish', big, '--group', 'bench', '--as', 'big@1'); magnet = say(1, 'publish', big)[0]; until(2, 'big', 'catalog', 'list', 'bench')
times = {'private': [], 'public': []}
for n in range(A.runs):
    for kind, ref in (('public', [magnet, '--peer', f'{lab.ip(1)}:6881']), ('private', ['bench/big'])):
        out = f'{W}/out-{kind}-{n}'; took = say(2, 'fetch', *ref, '--no-seed', '-o', out)[1]
        if not filecmp.cmp(big, f'{out}/big', shallow=False): raise SystemExit('the bytes differ')
        shutil.rmtree(out); times[kind].append(took)
m = {k: statistics.median(v) for k, v in times.items()}
print(f'transfer of {A.mb} MiB                public {A.mb / m["public"]:.0f} MiB/s, private {A.mb / m["private"]:.0f} MiB/s: {m["public"] / m["private"]:.2f} of the public one')

if A.accounts:
    open(f'{W}/people.csv', 'w').write('name,role\n' + ''.join(f'person{n},member\n' for n in range(A.accounts)))
    took = say(1, 'group', 'user', 'add', 'bench', '--csv', f'{W}/people.csv', '--out', f'{W}/passwords')[1]
    print(f'{A.accounts} accounts from a list           {took:6.1f} s, {took / A.accounts:.2f} s each')
    until(2, f'person{A.accounts - 1}', 'group', 'user', 'list', 'bench')
    adds = [say(1, 'group', 'user', 'add', 'bench', f'late{n}')[1] for n in range(3)]; removes = [say(1, 'group', 'user', 'remove', 'bench', f'late{n}')[1] for n in range(3)]
    print(f'with them: user add                 {statistics.median(adds):6.2f} s\nwith them: user remove (re-key)     {statistics.median(removes):6.2f} s')
