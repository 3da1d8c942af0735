package remote

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

type unregisteredError struct{}

func (*unregisteredError) Error() string { return "unregistered" }

type fieldError interface {
	error
	Field() string
}

func TestAMistakeInARegistrationPanicsAndNamesIt(t *testing.T) {
	for want, register := range map[string]func(){
		`procpool/worker: RegisterError("io.EOF"): the name is taken by "EOF"`:         func() { RegisterSentinel("io.EOF", errors.New("mine")) },
		`procpool/worker: RegisterError("test.nil"): the error is nil`:                 func() { RegisterSentinel("test.nil", nil) },
		`procpool/worker: RegisterError: the name is empty`:                            func() { RegisterSentinel("", errNobody) },
		`procpool/worker: RegisterError: a name of 257 bytes, at most 256 are allowed`: func() { RegisterSentinel(strings.Repeat("x", 257), errNobody) },
		`procpool/worker: RegisterErrorType: the name is empty`:                        func() { RegisterType[*unregisteredError]("") },
		`procpool/worker: RegisterErrorType[error]("test.error"): an interface is not a type that a value can have; name the concrete type`: func() {
			RegisterType[error]("test.error")
		},
		`procpool/worker: RegisterErrorType[remote.fieldError]("test.field"): an interface is not a type that a value can have; name the concrete type`: func() {
			RegisterType[fieldError]("test.field")
		},
		`procpool/worker: RegisterErrorType[*remote.unregisteredError]("test.codeError"): the name is taken by *remote.codeError`: func() {
			RegisterType[*unregisteredError]("test.codeError")
		},
		`procpool/worker: RegisterErrorType[*fs.PathError]("test.path"): the type is already registered as "fs.PathError"`: func() {
			RegisterType[*fs.PathError]("test.path")
		},
	} {
		t.Run(want, func(t *testing.T) {
			before := load()
			assert.PanicsWithValue(t, want, register)
			assert.Same(t, before, load(), "nothing is registered")
		})
	}
}

func TestOneErrorMayHaveTwoNames(t *testing.T) {
	registerOnce("test.alias", errOther)
	got := send(t, errOther)
	assert.ElementsMatch(t, []string{"test.errOther", "test.alias"}, got.node.Is)
	assert.ErrorIs(t, got, errOther)
}

// registerOnce lets a test that registers run more than once.
func registerOnce(name string, err error) {
	if load().byName[name] == nil {
		RegisterSentinel(name, err)
	}
}
