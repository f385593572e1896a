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

// ownPrefix begins the names of files that p2pshare keeps next to content: staging folders and copies of groups.
const ownPrefix = ".p2pshare"

// systemFiles are files that desktops leave in every folder and nobody means to publish. They are the weakest patterns:
// ignore files and the command line override them.
var systemFiles = []string{
	".DS_Store", "._.DS_Store", ".Spotlight-V100/", ".Trashes/", ".fseventsd/", ".TemporaryItems/", ".DocumentRevisions-V100/",
	"[Tt]humbs.db", "ehthumbs.db", "[Dd]esktop.ini", "$RECYCLE.BIN/", "System Volume Information/", ".directory", ".Trash-*/", "lost+found/",
}

// secretFiles are names of files that often hold credentials. Such files are published, because they may be examples, but
// only after a warning.
var secretFiles = []string{
	"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "*.ppk", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.kdb",
	"*.age", "*.gpg", "*.asc", "secring.*", ".env", ".env.*", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials", ".npmrc", ".pypirc", ".dockercfg",
	"credentials", "credentials.json", "kubeconfig", "wallet.dat", "logins.json", "key4.db", "cookies.sqlite", "Login Data", ".bash_history", ".zsh_history",
}

// secretFolders hold secrets under any file name.
var secretFolders = []string{".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".mozilla", ".thunderbird", "keyrings", "gcloud"}

// systemPatterns returns systemFiles as patterns.
func systemPatterns() (out []gitignore.Pattern) {
	for _, line := range systemFiles {
		out = append(out, gitignore.ParsePattern(line, nil))
	}
	return out
}

// secret says whether a file, at the path at below the folder, looks like a secret by its name. Public keys do not.
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

// shownSecrets bounds the secrets named in the warning.
const shownSecrets = 3

// warning names the secrets that are about to be published; empty if none was found.
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
	return text + " may contain secrets and will be published; use --exclude to leave such files out"
}

// refuseOwn returns an error if at lies in a p2pshare home or in a group's folder.
func refuseOwn(at string, homes []fs.FileInfo) error {
	for dir := at; ; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && isOwn(dir, fi, homes) {
			return fault.Hint(fault.New(fault.Usage, "%q is in %q, a p2pshare home, which holds the keys of your groups", at, dir), "publish something else")
		}
		if filepath.Dir(dir) == dir {
			return nil
		}
	}
}

// isOwn says whether a folder is one of the homes, or a group's folder in another home.
func isOwn(dir string, fi fs.FileInfo, homes []fs.FileInfo) bool {
	for _, h := range homes {
		if os.SameFile(h, fi) {
			return true
		}
	}
	return fi.IsDir() && groupFolder(func(name string) error { _, err := os.Lstat(filepath.Join(dir, name)); return err })
}

// groupFolder says whether a folder contains the files that every group's folder in a home has.
func groupFolder(look func(name string) error) bool {
	return look("group.json") == nil && look("device.key") == nil && look("roots") == nil
}
