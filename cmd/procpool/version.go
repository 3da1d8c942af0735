package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo says what this program was made from.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // the work tree had changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of procpool and of Go",
		Args:  noArguments,
	}
	asJSON := cmd.Flags().BoolP("json", "j", false, "as a JSON object")
	cmd.RunE = func(*cobra.Command, []string) error {
		v := thisVersion()
		text := v.String()
		if *asJSON {
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			text = string(b)
		}
		if _, err := fmt.Fprintln(s.out, text); err != nil && !readerIsGone(err) {
			return broken(err)
		}
		return nil
	}
	return cmd
}

func thisVersion() versionInfo {
	v := versionInfo{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (v versionInfo) String() string { return v.short() + " " + v.Go + " " + v.Platform }

// short is the version without those of Go and the system.
func (v versionInfo) short() string {
	text := "procpool " + v.Version
	if v.Revision != "" {
		text += " (" + v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			text += ", modified"
		}
		text += ")"
	}
	return text
}
