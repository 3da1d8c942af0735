package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/procpool/procpool/cmd/procpool/doctor"
	"github.com/procpool/procpool/cmd/procpool/numeral"
)

// doctorFlags are what the command line says.
type doctorFlags struct {
	workers int
	quick   bool
	brief   bool
	json    bool
	list    bool
}

func newDoctor(s streams) *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor [CHECK...]",
		Short: "Find out what this system allows, what it costs, and whether a pool works",
		Long: `doctor looks at what procpool needs of the system: limits of processes and descriptors,
pipes and their quota, memory, control groups, Landlock and seccomp, processors, clocks. It
measures for less than a second what starting and waking processes costs. Then it starts real
pools, kills a worker, lets tasks hang and eat memory, confines a worker, kills a whole program,
and looks whether anything is left.

Each check is "ok", a "note" (it works, with less or at a price) or a "problem" (something
will not work), and says what procpool does about it and how to improve it. Without CHECK
all are run. Nothing on the system is changed.

The exit code is 0 without a problem, and 1 with one.`,
		Example: `  procpool doctor                         all checks, about two seconds
  procpool doctor --brief                 a line for each
  procpool doctor --workers 64            would a pool of 64 fit?
  procpool doctor pipes memory-limit      these two
  procpool doctor --quick --json | jq '.findings[] | select(.state == "problem")'`,
	}
	flags := cmd.Flags()
	flags.IntVarP(&f.workers, "workers", "w", runtime.GOMAXPROCS(0), "judge limits for, and start, `N` workers")
	flags.BoolVarP(&f.quick, "quick", "q", false, "start no pool: less than a second")
	flags.BoolVarP(&f.brief, "brief", "b", false, "one line for each check")
	flags.BoolVarP(&f.json, "json", "j", false, "print the report as a JSON object")
	flags.BoolVarP(&f.list, "list", "l", false, "list the checks")
	cmd.MarkFlagsMutuallyExclusive("json", "brief")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts := doctor.Options{Version: thisVersion().short(), Workers: f.workers, Quick: f.quick, Only: args, Bare: bareVersion, Parent: hangingRun}
		if f.workers < 1 {
			return fmt.Errorf("--workers %d: must be at least 1", f.workers)
		}
		if err := opts.Check(); err != nil {
			return err
		}
		if f.list {
			return printed(s.out, doctorList())
		}
		return f.run(cmd.Context(), s, opts)
	}
	return cmd
}

// hangingRun is this program, running what ignores everything.
func hangingRun(ctx context.Context) *exec.Cmd {
	cmd := bareVersion(ctx)
	cmd.Args = append(cmd.Args[:1], "run", "hang", "a", "b", "--quiet", "--workers", "2")
	return cmd
}

func (f *doctorFlags) run(ctx context.Context, s streams, opts doctor.Options) error {
	report, err := doctor.Run(ctx, opts)
	if err != nil {
		return errInterrupted()
	}
	text := doctorText(report, paletteFor(s.out), min(max(columnsOf(s.out, 100), 50), 120), f.brief)
	if f.json {
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return broken(err)
		}
		text = string(b) + "\n"
	}
	if err := printed(s.out, text); err != nil {
		return err
	}
	if report.State == doctor.Problem {
		return exitWith(exitItems)
	}
	return nil
}

// printed writes text; a reader who has gone away is no error.
func printed(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil && !readerIsGone(err) {
		return broken(err)
	}
	return nil
}

func doctorList() string {
	var b strings.Builder
	for _, c := range doctor.Checks() {
		fmt.Fprintf(&b, "%-13s %s\n", c.Name, c.About)
	}
	return b.String()
}

// doctorText is a report for people.
func doctorText(r *doctor.Report, p palette, width int, brief bool) string {
	var b strings.Builder
	group := ""
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Group != group && !brief {
			if group != "" {
				b.WriteByte('\n')
			}
			fmt.Fprintln(&b, p.paint(f.Group, bold))
		}
		group = f.Group
		doctorFinding(&b, f, p, width, brief)
	}
	if !brief {
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, doctorSummary(r, p))
	return b.String()
}

var stateColours = map[doctor.State]int{doctor.OK: green, doctor.Note: yellow, doctor.Problem: red}

const (
	stateWidth  = 8
	checkWidth  = 13
	doctorInset = stateWidth + checkWidth + 1
)

// doctorFinding is a check: its state, its name and what it found, and below that what procpool does and what would be better.
func doctorFinding(b *strings.Builder, f *doctor.Finding, p palette, width int, brief bool) {
	// Padded before it is painted: escape sequences have no width.
	head := p.paint(fmt.Sprintf("%-*s", stateWidth, f.State), stateColours[f.State]) + p.paint(fmt.Sprintf("%-*s", checkWidth+1, f.Check), bold)
	if brief {
		fmt.Fprintln(b, head+printable(f.Found))
		return
	}
	paragraph := func(first, text string, codes ...int) {
		for i, line := range wrap(printable(text), width-doctorInset) {
			if i > 0 {
				first = strings.Repeat(" ", doctorInset)
			}
			fmt.Fprintln(b, first+p.paint(line, codes...))
		}
	}
	paragraph(head, f.Found)
	inset := strings.Repeat(" ", doctorInset)
	if f.Does != "" {
		paragraph(inset, "procpool: "+f.Does, faint)
	}
	if f.Improve != "" {
		paragraph(inset, "to improve: "+f.Improve)
	}
}

func doctorSummary(r *doctor.Report, p palette) string {
	text := fmt.Sprintf("%s for %s in %.1f s: %d ok, %s, %s.", numeral.Of(len(r.Findings), "check"), numeral.Of(r.Workers, "worker"), r.Seconds,
		r.Count(doctor.OK), numeral.Of(r.Count(doctor.Note), "note"), numeral.Of(r.Count(doctor.Problem), "problem"))
	switch r.State {
	case doctor.Problem:
		var names []string
		for i := range r.Findings {
			if r.Findings[i].State == doctor.Problem {
				names = append(names, r.Findings[i].Check)
			}
		}
		return p.paint(text+" Something will not work: "+strings.Join(names, ", ")+".", red)
	case doctor.Note, doctor.OK:
	}
	if len(r.Findings) < len(doctor.Checks()) {
		return text // what was not looked at may be missing
	}
	return text + " Everything that pools need by default is there."
}

// wrap breaks text between words into lines of at most width runes; a longer word has a line of its own.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
