package browsertest

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	tabs "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium with a profile of its own.
type browser struct{ ctx context.Context }

// startBrowser starts Chromium, which ends with the test. It reaches nothing
// but this machine.
func startBrowser(t testing.TB, flags ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"),
		chromedp.WSURLReadTimeout(patience),
	}, flags...)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		chromedp.Cancel(ctx)
		end()
		cancel()
		chromedp.FromContext(ctx).Allocator.Wait()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the tests need Chromium, which make tools installs: %v", err)
	}
	return &browser{ctx}
}

// page is a tab. What goes wrong in it fails the test: an error on the console,
// an exception, a violation of the CSP, a request that failed.
type page struct {
	ctx context.Context
	t   testing.TB

	mu        sync.Mutex // guards what follows
	tolerated []*regexp.Regexp
	troubles  []string
	requests  map[network.RequestID]string
}

// open opens a page in a tab of its own, until the test ends.
func (b *browser) open(t testing.TB, url string) *page {
	t.Helper()
	p := &page{t: t, requests: map[network.RequestID]string{}}
	// A container that comes or goes is a change of the network to Chromium, which
	// then gives up what it loads.
	p.tolerate(`net::ERR_NETWORK_CHANGED`)
	ctx, end := chromedp.NewContext(b.ctx, chromedp.WithListener(p.hear))
	p.ctx = ctx
	t.Cleanup(func() {
		end()
		p.check()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	p.do(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(audits.Enable, cdp.Empty{}))
	p.do(chromedp.Navigate(url))
	return p
}

// opens waits until another tab shows the page of a URL with a title, and comes
// back to this one.
func (p *page) opens(url, title string) {
	p.t.Helper()
	var seen []string
	for over := time.Now().Add(patience); time.Now().Before(over); time.Sleep(50 * time.Millisecond) {
		seen = nil
		targets, err := chromedp.Targets(p.ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, tab := range targets {
			if tab.URL == url && tab.Title == title {
				p.do(command(tabs.BringToFront, cdp.Empty{})) // a tab that is not seen is not drawn
				return
			}
			seen = append(seen, fmt.Sprintf("%s %q", tab.URL, tab.Title))
		}
	}
	p.t.Fatalf("no tab shows %q at %s, but: %q", title, url, seen)
}

// tolerate says what may go wrong in what the test does next and before: all
// that matches the expression.
func (p *page) tolerate(expression string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tolerated = append(p.tolerated, regexp.MustCompile(expression))
}

// do does what chromedp can do with a page.
func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ask(p, chromedp.Steps(actions...))
}

// ask does what chromedp can do with a page, and gives what comes of it.
func ask[T any](p *page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%v; wrong so far: %q", err, p.wrong())
	}
	return result
}

// eval evaluates an expression, waits for the promise if it is one, and gives
// what comes of it.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	return ask(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// command makes an action of a command of the protocol.
func command[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, command, params)
		return chromedp.Void{}, err
	}
}

// result makes an action of a command of the protocol that gives something.
func result[P, R any](command cdp.Command[P, R], params P) chromedp.Action[R] {
	return func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, command, params) }
}

// hear takes an event of the tab.
func (p *page) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.note("exception: %v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.note("console: %s", arguments(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.note("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			p.note("CSP: %s %s", e.Issue.Details.ContentSecurityPolicyIssueDetails.ViolatedDirective, e.Issue.Details.ContentSecurityPolicyIssueDetails.BlockedURL)
		}
	case *network.EventRequestWillBeSent:
		p.mu.Lock()
		p.requests[e.RequestID] = e.Request.URL
		p.mu.Unlock()
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			p.note("request: %d for %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		p.mu.Lock()
		url := p.requests[e.RequestID]
		p.mu.Unlock()
		if !e.Canceled {
			p.note("request: %s for %s", cmp.Or(e.ErrorText, string(e.BlockedReason)), url)
		}
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var all []string
	for _, arg := range args {
		all = append(all, string(arg.Value)+arg.Description)
	}
	return strings.Join(all, " ")
}

func (p *page) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = append(p.troubles, fmt.Sprintf(format, args...))
}

// wrong gives what went wrong and is not tolerated.
func (p *page) wrong() (wrong []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
troubles:
	for _, trouble := range p.troubles {
		for _, fine := range p.tolerated {
			if fine.MatchString(trouble) {
				continue troubles
			}
		}
		wrong = append(wrong, trouble)
	}
	return wrong
}

func (p *page) check() {
	p.t.Helper()
	for _, trouble := range p.wrong() {
		p.t.Errorf("in the page: %s", trouble)
	}
}
