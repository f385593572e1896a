package seeder

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// ownPrefix begins the names of what p2pshare keeps beside content: staging folders of fetches, copies of groups.
const ownPrefix = ".p2pshare"

// systemFiles are what desktops leave in every folder, and nobody means to publish. As the weakest patterns they give way to
// those of ignore files and of the command line.
var systemFiles = []string{
	".DS_Store", "._.DS_Store", ".Spotlight-V100/", ".Trashes/", ".fseventsd/", ".TemporaryItems/", ".DocumentRevisions-V100/",
	"[Tt]humbs.db", "ehthumbs.db", "[Dd]esktop.ini", "$RECYCLE.BIN/", "System Volume Information/", ".directory", ".Trash-*/", "lost+found/",
}

// secretFiles are names of what opens accounts and machines. What has one of them is published, for it may be an example, and
// told before it is.
var secretFiles = []string{
	"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "*.ppk", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.kdb",
	"*.age", "*.gpg", "*.asc", "secring.*", ".env", ".env.*", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials", ".npmrc", ".pypirc", ".dockercfg",
	"credentials", "credentials.json", "kubeconfig", "wallet.dat", "logins.json", "key4.db", "cookies.sqlite", "Login Data", ".bash_history", ".zsh_history",
}

// secretFolders hold secrets under any name.
var secretFolders = []string{".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".mozilla", ".thunderbird", "keyrings", "gcloud"}

// systemPatterns are systemFiles as patterns.
func systemPatterns() (out []gitignore.Pattern) {
	for _, line := range systemFiles {
		out = append(out, gitignore.ParsePattern(line, nil))
	}
	return out
}

// secret says whether a file, at a path with slashes below the folder, has the name of a secret. Public keys have none.
func secret(at []string) bool {
	for _, dir := range at[:len(at)-1] {
		for _, s := range secretFolders {
			if dir == s {
				return !strings.HasSuffix(at[len(at)-1], ".pub")
			}
		}
	}
	for _, s := range secretFiles {
		if ok, _ := path.Match(s, at[len(at)-1]); ok {
			return true
		}
	}
	return false
}

// shownSecrets is how many of them are named.
const shownSecrets = 3

// warning names the secrets that are about to be published; empty: none was found.
func (t *tree) warning() string {
	if t.secrets == 0 {
		return ""
	}
	text := fmt.Sprintf("%q", t.first[0])
	for i, s := range t.first[1:] {
		if i+2 == len(t.first) && t.secrets == len(t.first) {
			text += fmt.Sprintf(" and %q", s)
		} else {
			text += fmt.Sprintf(", %q", s)
		}
	}
	if more := t.secrets - len(t.first); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " may be secrets, and are published; --exclude leaves them out"
}

// refuseOwn refuses what lies in a folder that p2pshare keeps its keys in.
func refuseOwn(at string, homes []fs.FileInfo) error {
	for dir := at; ; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && isOwn(dir, fi, homes) {
			return fault.Hint(fault.New(fault.Usage, "%q is in %q, p2pshare's own home, with the keys of your groups", at, dir), "publish something else")
		}
		if filepath.Dir(dir) == dir {
			return nil
		}
	}
}

// isOwn says whether a folder is one of the homes, or the folder of a group in another home.
func isOwn(dir string, fi fs.FileInfo, homes []fs.FileInfo) bool {
	for _, h := range homes {
		if os.SameFile(h, fi) {
			return true
		}
	}
	return fi.IsDir() && groupFolder(func(name string) error { _, err := os.Lstat(filepath.Join(dir, name)); return err })
}

// groupFolder says whether a folder has what that of a group has in every home.
func groupFolder(look func(name string) error) bool {
	return look("group.json") == nil && look("device.key") == nil && look("roots") == nil
}
