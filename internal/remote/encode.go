package remote

import "github.com/procpool/procpool/internal/codec"

// Append appends err in the form that the package documentation describes. It
// never fails and never panics, whatever the methods of err do; it is bounded by
// the caps, and what is over them is cut or left out. A nil err becomes {}.
func Append(dst []byte, err error) []byte {
	if err == nil {
		return codec.AppendMapHeader(dst, 0)
	}
	return appendNode(dst, safeBuild(err))
}

// safeBuild is the last line behind the functions of safe.go.
func safeBuild(err error) (e *Error) {
	defer func() {
		if recover() != nil {
			e = &Error{Message: sentText(safeText(err))}
		}
	}()
	return build(err)
}

func appendNode(dst []byte, e *Error) []byte {
	dst = codec.AppendMapHeader(dst, e.keys())
	dst = codec.AppendString(codec.AppendString(dst, "msg"), e.Message)
	if e.Type != "" {
		dst = codec.AppendString(codec.AppendString(dst, "type"), e.Type)
	}
	if len(e.Is) > 0 {
		dst = appendStrings(codec.AppendString(dst, "is"), e.Is)
	}
	if e.As != "" {
		dst = codec.AppendString(codec.AppendString(dst, "as"), e.As)
		dst = codec.AppendBytes(codec.AppendString(dst, "data"), e.Data)
	}
	if len(e.Causes) > 0 {
		dst = codec.AppendArrayHeader(codec.AppendString(dst, "causes"), len(e.Causes))
		for _, c := range e.Causes {
			dst = appendNode(dst, c)
		}
	}
	return dst
}

// keys counts what appendNode writes: the text always, since "" is a text too.
func (e *Error) keys() int {
	n := 1
	if e.Type != "" {
		n++
	}
	if len(e.Is) > 0 {
		n++
	}
	if e.As != "" {
		n += 2
	}
	if len(e.Causes) > 0 {
		n++
	}
	return n
}
