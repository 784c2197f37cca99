// Package proxies measures the ingress beside nginx and Caddy, which proxy to
// the same container, each in a process of its own: what each answers in a
// second, and how long answers take at a constant rate, which does not wait for
// them.
package proxies
