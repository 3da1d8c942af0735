package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// TestTheFormIsTheDocumentedOne reads with msgpack alone what the package
// documentation specifies.
func TestTheFormIsTheDocumentedOne(t *testing.T) {
	err := fmt.Errorf("load: %w", &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT})
	for name, c := range map[string]struct {
		err  error
		want dict
	}{
		"plain": {errors.New("boom"), dict{"type": "*errors.errorString", "msg": "boom"}},
		"a sentinel": {errApp, dict{
			"type": "*errors.errorString", "msg": errApp.Error(), "is": []any{"test.errApp"},
		}},
		"a tree": {err, dict{
			"type": "*fmt.wrapError", "msg": err.Error(),
			"causes": []any{dict{
				"type": "*fs.PathError", "msg": "open x: " + syscall.ENOENT.Error(),
				"as": "fs.PathError", "data": pack(t, []any{"open", "x", syscall.ENOENT.Error()}),
				"causes": []any{dict{
					"type": "syscall.Errno", "msg": syscall.ENOENT.Error(), "is": []any{"fs.ErrNotExist"},
					"as": "syscall.Errno", "data": pack(t, []any{runtime.GOOS, int(syscall.ENOENT)}),
				}},
			}},
		}},
		"none": {nil, dict{}},
	} {
		t.Run(name, func(t *testing.T) {
			var got dict
			require.NoError(t, msgpack.Unmarshal(Append(nil, c.err), &got))
			assert.Equal(t, c.want, got)
		})
	}
}
