package remote

// The caps of the package documentation.
const (
	maxText     = 64 << 10 // bytes of one text
	maxName     = 256      // bytes of one name of a type or a sentinel
	maxNames    = 64       // sentinels at one node
	maxDepth    = 32       // nodes from the top to a leaf
	maxNodes    = 256
	maxAllNames = 64 << 10  // bytes of all names of one error
	maxAllTexts = 512 << 10 // bytes of all texts of one error
	maxAllData  = 512 << 10 // bytes of all data of one error
)

// room is what is left of the caps that all nodes of one error share. Both
// sides count with it.
type room struct {
	nodes, names, texts, data int
}

func fullRoom() room {
	return room{nodes: maxNodes, names: maxAllNames, texts: maxAllTexts, data: maxAllData}
}

// node takes room for one node.
func (r *room) node() bool {
	return take(&r.nodes, 1)
}

// text takes room for s, or for as much of it as there is room for.
func (r *room) text(s string) string {
	s = cut(s, r.texts)
	r.texts -= len(s)
	return s
}

// name takes room for a name of n bytes; half a name is none.
func (r *room) name(n int) bool {
	return n <= maxName && take(&r.names, n)
}

// value takes room for n bytes of data; half a value is none.
func (r *room) value(n int) bool {
	return take(&r.data, n)
}

func take(left *int, n int) bool {
	if n > *left {
		return false
	}
	*left -= n
	return true
}
