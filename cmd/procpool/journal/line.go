package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// sealed is what ends every line: `,"sum":"`, eight digits, `"}`.
const (
	sumBefore = `,"sum":"`
	sumAfter  = `"}`
	sealed    = len(sumBefore) + 8 + len(sumAfter)
)

// seal ends the line that begins at start: an object without its closing brace.
func seal(b []byte, start int) []byte {
	sum := checksum(b[start:])
	b = append(b, sumBefore...)
	b = appendHex32(b, sum)
	b = append(b, sumAfter...)
	return append(b, '\n')
}

// unseal returns the object of a line without its sum, and whether that is right.
func unseal(line []byte) (object []byte, ok bool) {
	end := len(line) - sealed
	if end < 1 {
		return nil, false
	}
	var want [sealed]byte
	copy(want[:], sumBefore)
	appendHex32(want[:len(sumBefore)], checksum(line[:end]))
	copy(want[sealed-len(sumAfter):], sumAfter)
	return line[:end], bytes.Equal(line[end:], want[:])
}

func appendHex32(b []byte, n uint32) []byte {
	return hex.AppendEncode(b, []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// maxLine bounds a line that is read; a longer one is damaged. It is more than any value that a record holds.
const maxLine = 4 << 20

// lines reads a file line by line.
type lines struct {
	r      *bufio.Reader
	number int   // of the line that next returned, from one
	start  int64 // its offset
	end    int64 // the offset of what follows
	long   []byte
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 256<<10)} }

// next returns a line without its end. It is whole if the file has the line end too, and is not too long. The
// line is valid until the next call.
func (l *lines) next() (line []byte, whole bool, err error) {
	l.start = l.end
	l.number++
	line, err = l.r.ReadSlice('\n')
	l.end += int64(len(line))
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.rest(line)
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return line, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return line[:len(line)-1], len(line) <= maxLine, nil
}

// rest reads on after the start of a line that is longer than the buffer. Of one that is too long it keeps little.
func (l *lines) rest(start []byte) (line []byte, err error) {
	l.long = append(l.long[:0], start...)
	for {
		more, err := l.r.ReadSlice('\n')
		l.end += int64(len(more))
		if len(l.long) <= maxLine {
			l.long = append(l.long, more...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.long, err
		}
	}
}
