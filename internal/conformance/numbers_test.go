//go:build unix

package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryBehaviourIsTestedOrLeftOutForAReason(t *testing.T) {
	tested := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`(?m)^func [tT]estC(\d+a?)|\{"C(\d+) `).FindAllStringSubmatch(string(b), -1) {
			tested[strings.TrimLeft(match[1]+match[2], "0")] = true
		}
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(doc), "# Left out\n")
	table, _, _ = strings.Cut(table, "# Left to the compiler\n")
	leftOut := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^//\t(\d+)  \S`).FindAllStringSubmatch(table, -1) {
		leftOut[match[1]] = true
	}
	numbers := []string{"35a"}
	for n := range 97 {
		numbers = append(numbers, fmt.Sprint(n+1))
	}
	for _, n := range numbers {
		require.NotEqual(t, tested[n], leftOut[n], "behaviour %s: tested %v, left out %v", n, tested[n], leftOut[n])
	}
}
