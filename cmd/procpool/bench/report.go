package bench

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// Schema is the version of Report as JSON. It changes when a field changes its meaning or goes away.
const Schema = 1

// Report is what was measured.
type Report struct {
	Schema   int       `json:"schema"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // how long it took
	Settings Settings  `json:"settings"`
	Machine  Machine   `json:"machine"`
	Noise    Noise     `json:"noise"`
	Sections []Section `json:"sections"`
	Pays     *Pays     `json:"pays"` // nil where that was not measured
	Findings []string  `json:"findings"`
}

// Settings are what the user chose.
type Settings struct {
	Workers int     `json:"workers"`
	Budget  float64 `json:"budget_seconds"` // how long the measuring was to take
	Quick   bool    `json:"quick"`
}

// Section is one question, and what came of it.
type Section struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	About string `json:"about"` // what is done
	Axis  string `json:"axis"`  // what X of its rows is; "" where they have none
	Unit  string `json:"unit"`  // of Median, Low and High: "ns" for an operation, "bytes", or "ratio"
	Rows  []Row  `json:"rows"`
}

// Row is one contender in one case.
type Row struct {
	Case      string  `json:"case"`
	X         float64 `json:"x"`
	Contender string  `json:"contender"`
	Runs      int     `json:"runs"`   // blocks that were measured
	Median    float64 `json:"median"` // of the blocks, for one operation
	Low       float64 `json:"low"`    // a quarter of the blocks took less
	High      float64 `json:"high"`   // a quarter took more
	Bytes     int64   `json:"bytes,omitempty"`
	Split     *Split  `json:"split,omitempty"`
	Error     string  `json:"error,omitempty"` // why there are no figures
}

// Split is where the time of one task went, from pool.Timing: means over the middle half of the tasks, by their total. The stages sum up
// to the total.
type Split struct {
	Tasks  int                `json:"tasks"` // that were timed
	Total  float64            `json:"total_ns"`
	Stages map[string]float64 `json:"stages_ns"` // by the names of Stages
}

// Pays is from what task time on processes pay.
type Pays struct {
	// Loop is the time of a task, in nanoseconds, from which on a Map over the workers is faster than a plain loop. 0: from the shortest
	// on that was measured; -1: it never was.
	Loop float64 `json:"map_beats_loop_ns"`
	// Near is the same for when the Map has 90 % of the speed of as many goroutines.
	Near float64 `json:"map_near_goroutines_ns"`
	// Call is the time of a task of which a single Call costs a tenth.
	Call float64 `json:"call_is_tenth_ns"`
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteCSV writes a line for each row, with a header.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	header := []string{"section", "case", "x", "contender", "unit", "runs", "median", "low", "high", "error", "split_total_ns"}
	for _, stage := range Stages {
		header = append(header, stage+"_ns")
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range r.Sections {
		s := &r.Sections[i]
		for j := range s.Rows {
			if err := out.Write(s.Rows[j].fields(s)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

func (row *Row) fields(s *Section) []string {
	fields := []string{
		s.Name, row.Case, number(row.X), row.Contender, s.Unit, strconv.Itoa(row.Runs),
		number(row.Median), number(row.Low), number(row.High), row.Error,
	}
	if row.Split == nil {
		return append(fields, make([]string, 1+len(Stages))...)
	}
	fields = append(fields, number(row.Split.Total))
	for _, stage := range Stages {
		fields = append(fields, number(row.Split.Stages[stage]))
	}
	return fields
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// Section returns the section of that name, nil where it was not measured.
func (r *Report) Section(name string) *Section {
	for i := range r.Sections {
		if r.Sections[i].Name == name {
			return &r.Sections[i]
		}
	}
	return nil
}

// Row returns a contender's row in a case, nil where there is none or it has no figures. A nil Section has none.
func (s *Section) Row(name, contender string) *Row {
	if s == nil {
		return nil
	}
	for i := range s.Rows {
		if r := &s.Rows[i]; r.Case == name && r.Contender == contender && r.Error == "" {
			return r
		}
	}
	return nil
}

// Cases are the names of the cases, in order.
func (s *Section) Cases() []string { return distinct(s.Rows, func(r *Row) string { return r.Case }) }

// Contenders are the names of those who took part, in order.
func (s *Section) Contenders() []string {
	return distinct(s.Rows, func(r *Row) string { return r.Contender })
}

func distinct(rows []Row, of func(*Row) string) (all []string) {
	seen := map[string]bool{}
	for i := range rows {
		if name := of(&rows[i]); !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// Spread is half the distance between Low and High, as a part of the median.
func (row *Row) Spread() float64 {
	if row.Median <= 0 {
		return 0
	}
	return (row.High - row.Low) / 2 / row.Median
}
