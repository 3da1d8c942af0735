package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/procpool/procpool/cmd/procpool/doctor"
)

// wrongLines are command lines of users who made a mistake, and what they must be told.
var wrongLines = []struct{ args, says string }{
	{"runn", "did you mean run?"},
	{"Run", "did you mean man or run?"},
	{"doktor", "did you mean doctor?"},
	{"benhc", "did you mean bench?"},
	{"versin", "did you mean version?"},
	{"function", "did you mean functions?"},
	{"completions", "did you mean completion?"},
	{"xyzzy", `unknown command "xyzzy"`},
	{"-x", "unknown shorthand flag"},
	{"-xyz", "unknown shorthand flag"},
	{"--", "COMMAND"},
	{"--bogus", "unknown flag: --bogus"},
	{"--versin", "did you mean --version?"},
	{"--hlep", "did you mean --help?"},
	{"--help=maybe", "--help maybe: invalid argument: want true or false"},
	{"--version=maybe", "want true or false"},
	{"--=", "bad flag syntax"},
	{"---", "bad flag syntax"},
	{"---x", "bad flag syntax"},
	{"help nothing", "there is no command or topic nothing"},
	{"help doctr", "did you mean doctor?"},
	{"help exit-code", "did you mean exit-codes?"},
	{"help run nothing", "there is no command or topic"},
	{"help run gostat", "there is no command or topic"},
	{"help version x", "there is no command or topic"},
	{"help --bogus", "unknown flag: --bogus"},
	{"functions x", "functions takes no arguments, and there is x"},
	{"functions gostats", "functions takes no arguments, and there is gostats"},
	{"functions --jsno", "did you mean --json?"},
	{"functions --json=perhaps", "want true or false"},
	{"functions -q", "unknown shorthand flag: 'q'"},
	{"functions -jq", "unknown shorthand flag: 'q'"},
	{"functions --workers 2", "unknown flag: --workers"},
	{"version x", "version takes no arguments, and there is x"},
	{"version --jsn", "did you mean --json?"},
	{"version --short", "unknown flag: --short"},
	{"version -v", "unknown shorthand flag: 'v'"},
	{"version --json=no way", "want true or false"},
	{"bench x", "bench takes no arguments, and there is x"},
	{"bench roundtrip", "bench takes no arguments"},
	{"bench --quik", "did you mean --quick?"},
	{"bench --qucik", "did you mean --quick?"},
	{"bench --json --csv", "--csv and --json exclude each other: give one of them"},
	{"bench --quick --time 3s", "--quick and --time exclude each other"},
	{"bench --time", "flag needs an argument: --time; want --time DURATION"},
	{"bench --time 5", "want a duration, such as 1.5s"},
	{"bench --time soon", "--time soon: invalid argument: want a duration"},
	{"bench --time 0s", "--time 0s: must be more than 0"},
	{"bench --time -1s", "--time -1s: must be more than 0"},
	{"bench --workers", "flag needs an argument: --workers; want --workers N"},
	{"bench --workers 0", "--workers 0: must be at least 1"},
	{"bench --workers -3", "--workers -3: must be at least 1"},
	{"bench --workers many", "--workers many: invalid argument: want a whole number"},
	{"bench --workers 2.5", "--workers 2.5: invalid argument: want a whole number"},
	{"bench --workers 99999999999999999999", "want a whole number"},
	{"bench -w", "flag needs an argument: 'w' in -w; want --workers N"},
	{"bench -w x", "--workers x: invalid argument"},
	{"bench --only", "want --only SECTIONS"},
	{"bench --only nothing", `there is no section "nothing"`},
	{"bench --only roundtrip,nothing", `there is no section "nothing"`},
	{"bench --html", "want --html FILE"},
	{"bench --python /no/such/python", "--python /no/such/python"},
	{"bench --no-such", "unknown flag: --no-such"},
	{"bench -x", "unknown shorthand flag: 'x'"},
	{"doctor nothing", `there is no check "nothing"; there are kernel`},
	{"doctor clock nothing", `there is no check "nothing"`},
	{"doctor clocks", "did you mean clock?"},
	{"doctor pipe", "did you mean pipes?"},
	{"doctor --workers 0", "--workers 0: must be at least 1"},
	{"doctor --workers -2", "--workers -2: must be at least 1"},
	{"doctor --workers all", "want a whole number"},
	{"doctor --json --brief", "--brief and --json exclude each other"},
	{"doctor --bref", "did you mean --brief?"},
	{"doctor --quick=sometimes", "want true or false"},
	{"doctor --verbose", "unknown flag: --verbose"},
	{"doctor -z", "unknown shorthand flag: 'z'"},
	{"doctor -w", "want --workers N"},
	{"demo x", "demo takes no arguments"},
	{"demo --workers 0", "--workers 0: must be at least 1"},
	{"demo --dir", "want --dir DIR"},
	{"demo --workres 2", "did you mean --workers?"},
	{"man", "want one directory"},
	{"man a b", "want one directory"},
	{"man --to x", "unknown flag: --to"},
	{"completion", "which shell?"},
	{"completion tcsh", "there is no completion for tcsh"},
	{"completion bash x", "x"},
	{"completion --bogus", "unknown flag: --bogus"},
	{"run", "which function?"},
	{"run nothing", "there is no function nothing"},
	{"run gostat x", "did you mean gostats?"},
	{"run --json", "which function?"},
	{"run sha265 x", "did you mean sha256?"},
	{"run echo --jsno x", "did you mean --json?"},
	{"run echo --unoredred x", "did you mean --unordered?"},
	{"run echo -5", "write -- before inputs that begin with a dash"},
	{"run echo -Z x", "unknown shorthand flag: 'Z'"},
	{"run echo --workers", "want --workers N"},
	{"run echo --workers 0 x", "--workers 0"},
	{"run echo --chunk 0 x", "--chunk 0: must be at least 1"},
	{"run echo --chunk some x", "--chunk some: invalid argument: want a whole number"},
	{"run echo --chunk", "want --chunk N: let N items travel together"},
	{"run echo --window -1 x", "--window -1: must be at least 1"},
	{"run echo --window x", "--window x: invalid argument"},
	{"run echo --stdin", "want --stdin FORMAT"},
	{"run echo --stdin xml x", "--stdin xml: must be one of"},
	{"run echo --log loud x", "--log loud: must be"},
	{"run echo --details x", "--details is for --json"},
	{"run echo - -", "only once"},
	{"run echo --fail-fast=later x", "want true or false"},
	{"run thumbnail --size big x", "--size big: invalid argument: want a whole number"},
	{"run thumbnail --size", "want --size int"},
	{"run thumbnail --out", "want --out DIR"},
	{"run mandelbrot --totals x", "unknown flag: --totals"},
	{"run gostats --total .", "did you mean --totals?"},
}

func TestAHundredWrongCommandLinesAreExplained(t *testing.T) {
	require.GreaterOrEqual(t, len(wrongLines), 100)
	for _, line := range wrongLines {
		t.Run(line.args, func(t *testing.T) {
			if line.args == "--" {
				return // no command at all: the help is shown
			}
			r := runCommand(t, "", strings.Fields(line.args)...)
			checkWrong(t, r)
			assert.Contains(t, r.stderr, line.says)
		})
	}
}

// checkWrong is what every mistake of a user must lead to.
func checkWrong(t *testing.T, r ran) {
	t.Helper()
	assert.Equal(t, exitUsage, r.code)
	assert.Empty(t, r.stdout)
	assert.Regexp(t, `^procpool: \S`, r.stderr)
	assert.Regexp(t, `\nTry "procpool.* --help"\.\n$`, r.stderr)
	assert.NotContains(t, r.stderr, "goroutine")
	assert.NotContains(t, r.stderr, "strconv")
	assert.LessOrEqual(t, strings.Count(r.stderr, "\n"), 4)
}

// parsedOnly is the whole command with nothing behind it: what a command line leads to without being run.
func parsedOnly(args []string) (code int, stderr string) {
	var out, errs strings.Builder
	root := newRoot(streams{in: strings.NewReader(""), out: &out, err: &errs})
	walkCommands(root, func(cmd *cobra.Command) {
		if cmd.RunE != nil {
			cmd.RunE = func(*cobra.Command, []string) error { return nil }
		}
	})
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(context.Background())
	return exitCode(err, cmd.CommandPath(), &errs), errs.String()
}

// Whatever is typed: nothing panics, and what is refused is explained in lines that a terminal can take.
func FuzzCommandLines(f *testing.F) {
	for _, line := range wrongLines {
		f.Add(line.args)
	}
	f.Add("run echo \x1b[2J --workers \xff")
	f.Add("__complete run ")
	f.Fuzz(func(t *testing.T, line string) {
		code, stderr := parsedOnly(strings.Split(line, " "))
		if code != exitOK && code != exitUsage {
			t.Errorf("exit code %d", code)
		}
		if code == exitUsage && !regexp.MustCompile(`^procpool: [^\x00-\x08\x0b-\x1f\x7f]+(\n[^\x00-\x08\x0b-\x1f\x7f]*)*\nTry "procpool[^\n]*"\.\n$`).MatchString(stderr) {
			t.Errorf("%q", stderr)
		}
	})
}

func TestWordsInAnyOrderNeverPanic(t *testing.T) {
	words := []string{"run", "echo", "bench", "doctor", "help", "--workers", "-w", "--json", "--", "-", "", "--=", "-5", "=", "1s", "completion", "bash", "gostats", "--time=x", "-jq"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		line := make([]string, 1+random.IntN(5))
		for i := range line {
			line[i] = words[random.IntN(len(words))]
		}
		code, stderr := parsedOnly(line)
		require.Contains(t, []int{exitOK, exitUsage}, code, "%q", line)
		if code == exitUsage {
			require.NotEmpty(t, stderr, "%q", line)
		}
	}
}

// visible are all commands that people are told of.
func visible(root *cobra.Command) (all []*cobra.Command) {
	walkCommands(root, func(cmd *cobra.Command) {
		if !cmd.Hidden && !cmd.IsAdditionalHelpTopicCommand() {
			all = append(all, cmd)
		}
	})
	return all
}

func testRoot() *cobra.Command {
	return newRoot(streams{in: strings.NewReader(""), out: &strings.Builder{}, err: &strings.Builder{}})
}

func TestEveryCommandHasExamplesThatParse(t *testing.T) {
	for _, cmd := range visible(testRoot()) {
		require.NotEmpty(t, cmd.Example, "%s: put it into examples.go, or beside its flags", cmd.CommandPath())
		for line := range strings.Lines(cmd.Example) {
			for _, args := range invocations(line) {
				code, stderr := parsedOnly(args)
				assert.Equal(t, exitOK, code, "%s: %s: %s", cmd.CommandPath(), line, stderr)
			}
		}
	}
	for path := range examples {
		found := false
		walkCommands(testRoot(), func(cmd *cobra.Command) { found = found || cmd.CommandPath() == path })
		assert.True(t, found || path == "procpool run flaky", "examples of %s, which does not exist", path)
	}
}

// invocations are the arguments that a line of an example gives to procpool. What comes after two spaces is a remark.
func invocations(line string) (all [][]string) {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
	for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune("|<>()", r) }) {
		words := strings.Fields(part)
		if len(words) > 0 && words[0] == "procpool" {
			all = append(all, words[1:])
		}
	}
	return all
}

func TestHelpHasExamplesEnvironmentAndExitCodes(t *testing.T) {
	for _, cmd := range visible(testRoot()) {
		r := runCommand(t, "", append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
		require.Equal(t, exitOK, r.code, cmd.CommandPath())
		assert.Contains(t, r.stdout, "Examples:\n  ", cmd.CommandPath())
		if cmd.Runnable() {
			assert.Equal(t, 1, strings.Count(r.stdout, "Exit codes:"), cmd.CommandPath())
		}
	}
	for _, v := range environmentTable {
		for _, command := range v.commands {
			if command == "top" {
				continue // comes with the monitor
			}
			r := runCommand(t, "", "help", command)
			assert.Contains(t, r.stdout, "\nEnvironment:\n", command)
			assert.Contains(t, r.stdout, "\n  "+v.name+" ", command)
		}
	}
}

func TestTopicsAreInTheHelp(t *testing.T) {
	r := runCommand(t, "", "help", "exit-codes")
	assert.Equal(t, exitOK, r.code)
	for _, e := range exitTable {
		assert.Contains(t, r.stdout, e.meaning)
	}
	r = runCommand(t, "", "help", "environment")
	for _, v := range environmentTable {
		assert.Contains(t, r.stdout, "\n  "+v.name+" ")
	}
	r = runCommand(t, "", "--help")
	assert.Contains(t, r.stdout, "Topics:\n  environment ")
}

func TestVersionIsAFlagToo(t *testing.T) {
	assert.Equal(t, runCommand(t, "", "version").stdout, runCommand(t, "", "--version").stdout)
}

func TestEveryFlagThatTakesAValueSaysWhat(t *testing.T) {
	for _, cmd := range visible(testRoot()) {
		if cmd.HasParent() && cmd.Parent().Name() == "completion" {
			continue // cobra's
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.NoOptDefVal != "" {
				return
			}
			word, _ := pflag.UnquoteUsage(f)
			_, known := placeholders[word]
			assert.True(t, known || word == "int", "%s --%s takes a %s, which complete.go does not know", cmd.CommandPath(), f.Name, word)
			_, has := cmd.GetFlagCompletionFunc(f.Name)
			assert.True(t, has, "%s --%s", cmd.CommandPath(), f.Name)
		})
	}
}

// completed is what the shell is offered for a command line, without the explanations.
func completed(t *testing.T, args ...string) (words []string, directive string) {
	t.Helper()
	r := runCommand(t, "", append([]string{"__complete"}, args...)...)
	require.Equal(t, exitOK, r.code, r.stderr)
	for _, line := range r.lines() {
		if strings.HasPrefix(line, ":") {
			return words, line
		}
		word, _, _ := strings.Cut(line, "\t")
		words = append(words, word)
	}
	return words, ""
}

// What cobra tells the shell.
const (
	completeAnyFile = ":0"
	completeNoFile  = ":4"
	completeNoSpace = ":6"
	completeByExt   = ":8"
	completeDirs    = ":16"
)

func TestTheShellIsOfferedWhatFits(t *testing.T) {
	for _, test := range []struct {
		line      string // the last word is what has been begun
		has       string // one of the words
		hasNot    string
		directive string
	}{
		{"d|", "doctor", "bench", completeNoFile},
		{"de|", "demo", "doctor", completeNoFile},
		{"run |", "gostats", "", completeNoFile},
		{"run g|", "gostats", "sha256", completeNoFile},
		{"run gostats |", "go", "", completeByExt},
		{"run sha256 |", "", "", completeAnyFile},
		{"run crash |", "segv", "", completeNoFile},
		{"run echo |", "", "", completeNoFile},
		{"run echo --stdin |", "nul", "", completeNoFile},
		{"run echo --log |", "debug", "", completeNoFile},
		{"run echo --workers |", "", "", completeNoFile},
		{"run echo --wo|", "--workers", "--json", completeNoFile},
		{"run thumbnail --out |", "", "", completeDirs},
		{"bench --only |", "roundtrip", "", completeNoSpace},
		{"bench --only roundtrip,|", "roundtrip,batch", "roundtrip,roundtrip", completeNoSpace},
		{"bench --time |", "10s", "", completeNoFile},
		{"bench --html |", "", "", completeAnyFile},
		{"doctor |", "pipes", "", completeNoFile},
		{"doctor pipes |", "clock", "pipes", completeNoFile},
		{"version |", "", "", completeNoFile},
		{"man |", "", "", completeDirs},
		{"help |", "exit-codes", "", completeNoFile},
		{"help run |", "primes", "", completeNoFile},
		{"completion |", "zsh", "", completeNoFile},
	} {
		t.Run(test.line, func(t *testing.T) {
			line, _ := strings.CutSuffix(test.line, "|")
			words, directive := completed(t, strings.Split(line, " ")...)
			assert.Equal(t, test.directive, directive)
			if test.has != "" {
				assert.Contains(t, words, test.has)
			}
			if test.hasNot != "" {
				assert.NotContains(t, words, test.hasNot)
			}
		})
	}
}

func TestWhatIsOfferedIsTaken(t *testing.T) {
	for flag, word := range map[string]string{"stdin": "FORMAT", "log": "LEVEL"} {
		for _, value := range placeholders[word].values {
			code := runCommand(t, "", "run", "echo", "--inline", "--quiet", "--"+flag, value, "--json=false", "x").code
			assert.Equal(t, exitOK, code, "--%s %s", flag, value)
		}
	}
	for _, d := range durations {
		code, _ := parsedOnly([]string{"bench", "--time", d})
		assert.Equal(t, exitOK, code, d)
	}
}

func TestColoursAreForTerminalsAndThoseWhoWantThem(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false}, // a test's stream is no terminal
		{map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{map[string]string{"FORCE_COLOR": "3"}, true},
		{map[string]string{"FORCE_COLOR": "0"}, false},
		{map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
		{map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": ""}, true},
	} {
		p := newPalette(&strings.Builder{}, func(name string) string { return test.env[name] })
		assert.Equal(t, test.want, p.on, test.env)
	}
	assert.Equal(t, "\x1b[1m\x1b[31mx\x1b[0m", palette{on: true}.paint("x", bold, red))
	assert.Equal(t, "x", palette{}.paint("x", bold))
}

func TestManualPagesTellAllThereIs(t *testing.T) {
	dir := t.TempDir()
	require.Equal(t, exitOK, runCommand(t, "", "man", dir).code)
	page := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return strings.NewReplacer(`\-`, "-", `\&`, "", "\\\n", "").Replace(string(text))
	}
	for _, cmd := range testRoot().Commands() {
		if cmd.Hidden || cmd.IsAdditionalHelpTopicCommand() || cmd.Name() == "help" {
			continue
		}
		text := page(manName(cmd) + ".1")
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"} {
			assert.Contains(t, text, "\n.SH "+section+"\n", cmd.Name())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { assert.Contains(t, text, "--"+f.Name, cmd.Name()) })
		for _, e := range exitTable {
			assert.Contains(t, text, e.meaning)
		}
		assert.NotContains(t, text, "Exit codes:", "the table is not there twice")
	}
	for _, b := range builtins {
		assert.Contains(t, page("procpool-run.1"), b.name)
	}
	for _, c := range doctor.Checks() {
		assert.Contains(t, page("procpool-doctor.1"), c.Name)
	}
}

func TestManualPagesNeedADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	r := runCommand(t, "", "man", dir)
	assert.Equal(t, exitOK, r.code, r.stderr)
	assert.FileExists(t, filepath.Join(dir, "procpool.1"))
	r = runCommand(t, "", "man", filepath.Join(dir, "procpool.1"))
	assert.Equal(t, exitBroken, r.code)
	assert.Contains(t, r.stderr, "not a directory")
}

func TestMarkdownLeavesTextAsItIs(t *testing.T) {
	assert.Equal(t, `a\*b \_c\_ \<d\> \[e\] \#`, escaped("a*b _c_ <d> [e] #"))
	assert.Equal(t, `\- x - y`, escaped("- x - y"))
	assert.Equal(t, "What it is.", sentence("what it is"))
	assert.Empty(t, sentence(""))
}

func TestDistanceCountsLetters(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"quick", "quik", 1}, {"json", "jsno", 2}, {"a", "", 1}, {"workers", "wokers", 1}, {"x", "abc", 3}} {
		assert.Equal(t, test.want, distance(test.a, test.b), test.a+" "+test.b)
	}
}
