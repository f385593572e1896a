package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pshare/p2pshare/internal/fault"
)

// Path returns the default path of the file: below XDG_CONFIG_HOME, APPDATA on Windows, or ~/.config. It is "" if
// none of them is set.
func Path(getenv func(string) string, system string) string {
	// The XDG specification says to ignore a relative path.
	if d := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "p2pshare", "config.toml")
	}
	if d := getenv("APPDATA"); system == "windows" && filepath.IsAbs(d) {
		return filepath.Join(d, "p2pshare", "config.toml")
	}
	if d := getenv("HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, ".config", "p2pshare", "config.toml")
	}
	return ""
}

// Example returns a file in which every key is commented out, below its usage, with an example value. head goes at the
// top, as a comment.
func Example(head string, keys []Key) string {
	var b strings.Builder
	comment(&b, head)
	section := ""
	for _, k := range keys {
		if k.Section != section {
			section = k.Section
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		b.WriteByte('\n')
		comment(&b, k.Usage)
		fmt.Fprintf(&b, "#%s = %s\n", k.Name, k.Value)
	}
	return b.String()
}

func comment(b *strings.Builder, text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
}

// Create writes text to a new file at path, and creates the folders above it. An existing file is left as it is.
func Create(path, text string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("creating the folder of the configuration: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.Hint(fault.New(fault.Denied, "the configuration %q exists already and is not overwritten", path), "p2pshare config show prints the settings in force; edit the file, or choose another with --config")
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the configuration: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}
