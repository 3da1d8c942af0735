package tracing_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/procpool/procpool/pool"
	"github.com/procpool/procpool/pool/tracing"
	"github.com/procpool/procpool/worker"
)

// resize has a span of its own below that of the call.
var resize = worker.Register("resize", func(ctx context.Context, file string) (int, error) {
	_, span := otel.Tracer("images").Start(tracing.Context(ctx), "decode "+file)
	defer span.End()
	return len(file), nil
})

// The provider of a worker: an initializer makes it, a finalizer exports what it still has.
var (
	provider *sdktrace.TracerProvider

	startTracing = worker.Register("start tracing", func(_ context.Context, _ struct{}) (struct{}, error) {
		provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(lines{os.Stdout})) // a real one gets an exporter for OTLP
		otel.SetTracerProvider(provider)
		return struct{}{}, nil
	})
	flushTraces = worker.Register("flush traces", func(ctx context.Context, _ struct{}) (struct{}, error) {
		return struct{}{}, provider.Shutdown(ctx)
	})
)

// lines is an exporter that writes a line for each span: its name and its parent.
type lines struct{ w io.Writer }

func (l lines) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		fmt.Fprintln(l.w, s.Name(), "below", s.Parent().SpanID())
	}
	return nil
}

func (lines) Shutdown(context.Context) error { return nil }

func Example_tracing() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter() // likewise
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	var fromWorkers bytes.Buffer

	p, err := pool.New(ctx, pool.WithWorkers(2),
		pool.WithTracer(tracing.New(tracing.WithTracerProvider(provider))),
		pool.WithInitializer(startTracing, struct{}{}),
		pool.WithFinalizer(flushTraces, struct{}{}),
		pool.WithStdout(&fromWorkers))
	if err != nil {
		log.Fatal(err)
	}
	if _, err = pool.Call(ctx, p, resize, "a.png"); err != nil {
		log.Fatal(err)
	}
	if _, err = pool.Map(ctx, p, resize, []string{"b.png", "c.png"}, pool.Chunk(1)); err != nil {
		log.Fatal(err)
	}
	if err := p.Shutdown(ctx); err != nil { // runs the finalizers
		log.Fatal(err)
	}

	var names []string
	text := fromWorkers.String()
	for _, s := range spans.GetSpans() {
		names = append(names, s.Name)
		text = strings.ReplaceAll(text, s.SpanContext.SpanID().String(), s.Name)
	}
	fmt.Println("parent: ", strings.Join(names, ", "))
	below := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(below) // the workers end in any order
	fmt.Println("workers:", strings.Join(below, ", "))
	// Output:
	// parent:  Call resize, batch resize, batch resize, Map resize
	// workers: decode a.png below Call resize, decode b.png below Map resize, decode c.png below Map resize
}
