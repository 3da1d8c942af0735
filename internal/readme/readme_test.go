package readme_test

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// root is the top of the repository.
const root = "../.."

// limit bounds each program that a test runs.
const limit = 3 * time.Minute

func TestProgramIsTheOneThatIsCompiled(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(root, "testdata/readme/main.go"))
	require.NoError(t, err)
	require.Equal(t, string(want), program(t), "README.md and testdata/readme/main.go differ")
}

func TestProgramRunsInAnotherModuleAsWritten(t *testing.T) {
	dir := outside(t, program(t))
	stdout, stderr, err := run(t, dir, "go", "run", ".")
	require.NoError(t, err, "standard error: %s", stderr)
	require.Equal(t, blocks(t, "text")[0], stdout)
}

func TestProgramWithoutMainIsToldWhatToPaste(t *testing.T) {
	const call = "\tworker.Main() "
	require.Contains(t, program(t), call)
	dir := outside(t, strings.Replace(program(t), call, "\t", 1))
	_, stderr, err := run(t, dir, "go", "run", ".")
	require.Error(t, err)
	require.Contains(t, stderr, "worker.Main was not called")
	require.Contains(t, stderr, "func main() {")
	require.Contains(t, stderr, "func TestMain(m *testing.M) {")
}

// The fragments are put into functions that know the names of the program around them.
func TestFragmentsCompile(t *testing.T) {
	text, ok := strings.CutSuffix(program(t), mainOf(t))
	require.True(t, ok)
	text = strings.Replace(text, "import (", "import (\n\t\"iter\"\n\t\"net/http\"\n\t\"time\"\n\t\"github.com/procpool/procpool/pool/monitor\"", 1)
	text += "func main() { worker.Main() }\n\nvar _, _, _ = fmt.Sprint, time.Second, monitor.Handler\n"
	for _, fragment := range blocks(t, "go")[1:] {
		if registers(fragment) {
			text += fragment
			continue
		}
		text += strings.NewReplacer("FRAGMENT", fragment).Replace(`
var _ = func(ctx context.Context, p *pool.Pool, lines iter.Seq[string], files []string) (err error) {
	counts, total, mux := []int{}, 0, http.NewServeMux()
	{
		FRAGMENT
		_, _ = p, err
	}
	_, _, _ = counts, total, mux
	return nil
}
`)
	}
	text = strings.ReplaceAll(text, "counts, err :=", "counts, err =")
	_, stderr, err := run(t, outside(t, text), "go", "vet", ".")
	require.NoError(t, err, "%s\n%s", stderr, text)
}

// registers reports whether a fragment stands outside of functions.
func registers(fragment string) bool {
	first, _, _ := strings.Cut(fragment, "\n")
	return strings.Contains(first, "= worker.Register")
}

func TestBlobsRunAsWritten(t *testing.T) {
	text, ok := strings.CutSuffix(program(t), mainOf(t))
	require.True(t, ok)
	start, _, ok := strings.Cut(mainOf(t), "\tfiles :=")
	require.True(t, ok)
	var want []string
	for i, fragment := range blocks(t, "go") {
		if i > 0 && registers(fragment) {
			use := blocks(t, "go")[i+1]
			text += fragment + start + use + "}\n\nvar _, _ = errors.Is, fs.ErrNotExist\n"
			for _, match := range regexp.MustCompile(`(?m)^fmt\.Print.* // (.*)$`).FindAllStringSubmatch(use, -1) {
				want = append(want, match[1])
			}
			break
		}
	}
	require.Len(t, want, 2)
	stdout, stderr, err := run(t, outside(t, text), "go", "run", ".")
	require.NoError(t, err, "standard error: %s", stderr)
	require.Equal(t, strings.Join(want, "\n")+"\n", stdout)
}

func TestNamesExist(t *testing.T) {
	text := readme(t)
	for pkg, dir := range map[string]string{"pool": "pool", "worker": "worker", "wire": "wire", "pooltest": "pool/pooltest", "tracing": "pool/tracing", "monitor": "pool/monitor"} {
		have := exported(t, filepath.Join(root, dir))
		for _, match := range regexp.MustCompile(`\b`+pkg+`\.([A-Z]\w*)`).FindAllStringSubmatch(text, -1) {
			require.True(t, have[match[1]], "README.md speaks of %s", match[0])
		}
	}
	have := exported(t, filepath.Join(root, "pool"))
	for _, match := range regexp.MustCompile(`\b(?:p|Future)\.([A-Z]\w*)\(`).FindAllStringSubmatch(text, -1) {
		require.True(t, have[match[1]], "README.md speaks of a method %s", match[1])
	}
}

func TestExitCodesAreThoseOfTheCommand(t *testing.T) {
	stdout, stderr, err := run(t, root, "go", "run", "./cmd/procpool", "run", "--help")
	require.NoError(t, err, stderr)
	_, table, ok := strings.Cut(stdout, "Exit codes:\n")
	require.True(t, ok, "no exit codes in\n%s", stdout)
	table, _, _ = strings.Cut(table, "\n\n")
	texts := blocks(t, "text")
	require.Equal(t, strings.Fields(texts[len(texts)-1]), strings.Fields(table))
}

func TestPathsLeadSomewhere(t *testing.T) {
	for _, match := range regexp.MustCompile("`((?:testdata|pool|cmd)/[\\w./]+|\\.golangci.yml)`").FindAllStringSubmatch(readme(t), -1) {
		_, err := os.Stat(filepath.Join(root, match[1]))
		require.NoError(t, err)
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	return string(text)
}

// blocks returns what stands between the fences of README.md that name language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1) {
		found = append(found, match[1])
	}
	require.NotEmpty(t, found)
	return found
}

func program(t *testing.T) string {
	t.Helper()
	return blocks(t, "go")[0]
}

// mainOf returns the program from its main function on.
func mainOf(t *testing.T) string {
	t.Helper()
	_, after, ok := strings.Cut(program(t), "\nfunc main() {\n")
	require.True(t, ok)
	return "func main() {\n" + after
}

// outside makes a module of one file by the commands that README.md gives.
func outside(t *testing.T, main string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(main), 0o600))
	here, err := filepath.Abs(root)
	require.NoError(t, err)
	for line := range strings.Lines(blocks(t, "sh")[0]) {
		command := strings.Fields(strings.ReplaceAll(line, "/path/to/procpool", here))
		if strings.Join(command, " ") == "go run ." {
			break // the caller's part
		}
		_, stderr, err := run(t, dir, command[0], command[1:]...)
		require.NoError(t, err, "%s: %s", line, stderr)
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.WaitDelay = time.Second // a process that go run left behind does not hold the pipes for ever
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// exported returns the exported functions, methods, types, variables and constants of the package in dir.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			for _, ident := range declared(decl) {
				names[ident.Name] = ident.IsExported()
			}
		}
	}
	return names
}

func declared(decl ast.Decl) (names []*ast.Ident) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		names = append(names, d.Name)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name)
			case *ast.ValueSpec:
				names = append(names, s.Names...)
			}
		}
	}
	return names
}
