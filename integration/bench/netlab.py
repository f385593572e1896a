"""A lab of network namespaces on one bridge, each with its own address and optional link shaping.

Lab(n) makes hosts 1..n at 10.77.0.i and the hub at 10.77.0.254; close() removes them. The names of the namespaces contain
this process's number, so that two measurements do not collide. No packet leaves the lab.
"""
import os
import subprocess
def sh(c, check=True): return subprocess.run(c, shell=True, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
class Lab:
    def __init__(self, n, prefix=None, net='10.77.0'):
        prefix = prefix or f'pb{os.getpid()}x'
        self.n, self.p, self.net = n, prefix, net
        self.close()
        sh(f'ip netns add {prefix}hub && ip -n {prefix}hub link set lo up && ip -n {prefix}hub link add br0 type bridge && ip -n {prefix}hub addr add {net}.254/24 dev br0 && ip -n {prefix}hub link set br0 up')
        for i in range(1, n + 1):
            h = f'{prefix}{i}'
            sh(f'ip netns add {h} && ip -n {h} link set lo up && ip link add v{prefix}{i} netns {prefix}hub type veth peer name eth0 netns {h} && ip -n {prefix}hub link set v{prefix}{i} master br0 && ip -n {prefix}hub link set v{prefix}{i} up && ip -n {h} addr add {net}.{i}/24 dev eth0 && ip -n {h} link set eth0 up && ip -n {h} route add default via {net}.254 && ip -n {h} route add 224.0.0.0/4 dev eth0')
    def ip(self, i): return f'{self.net}.{i}'
    def exec(self, i, cmd): return ['ip', 'netns', 'exec', f'{self.p}{i}'] + cmd
    def shape(self, i, up_mbit=None, down_mbit=None, delay_ms=0, loss=0):
        """up: rate that host i sends; down: rate that it receives (shaped at the bridge)."""
        lim = lambda mb: max(20000, int(mb * 1e6 / 8 * 0.05))
        for ns, dev, mb in ((f'{self.p}{i}', 'eth0', up_mbit), (f'{self.p}hub', f'v{self.p}{i}', down_mbit)):
            parent = 'root'
            sh(f'ip netns exec {ns} tc qdisc del dev {dev} root', check=False)
            if mb:
                sh(f'ip netns exec {ns} tc qdisc add dev {dev} root handle 1: htb default 1 && ip netns exec {ns} tc class add dev {dev} parent 1: classid 1:1 htb rate {mb}mbit ceil {mb}mbit burst 64k cburst 64k')
                if delay_ms or loss: sh(f'ip netns exec {ns} tc qdisc add dev {dev} parent 1:1 handle 10: netem delay {delay_ms}ms loss {loss}% limit 10000')
                else: sh(f'ip netns exec {ns} tc qdisc add dev {dev} parent 1:1 handle 10: bfifo limit {lim(mb)}')
            elif delay_ms or loss: sh(f'ip netns exec {ns} tc qdisc add dev {dev} root netem delay {delay_ms}ms loss {loss}% limit 10000')
    def down(self, i): sh(f'ip -n {self.p}{i} link set eth0 down')
    def up(self, i): sh(f'ip -n {self.p}{i} link set eth0 up; ip -n {self.p}{i} route add default via {self.net}.254; ip -n {self.p}{i} route add 224.0.0.0/4 dev eth0', check=False)
    def close(self):
        for l in sh('ip netns list', check=False).splitlines():
            h = l.split()[0]
            if h == f'{self.p}hub' or (h.startswith(self.p) and h[len(self.p):].isdigit()): sh(f'ip netns del {h}', check=False)
