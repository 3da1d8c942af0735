package remote

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// hiddenError has nothing that travels but its type.
type hiddenError struct{ code int }

func (e hiddenError) Error() string {
	if e.code == 0 {
		return "some code"
	}
	return "a code"
}

func init() { RegisterType[hiddenError]("test.hiddenError") }

func TestAnErrorWithoutExportedFieldsIsFoundByItsType(t *testing.T) {
	got := send(t, hiddenError{7})
	_, found := errors.AsType[hiddenError](error(got))
	require.True(t, found)
	require.Equal(t, "a code", got.Error(), "the text is the worker's")
}
