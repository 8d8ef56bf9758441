// Package browser has the page's thin adapters to what only a browser offers: files that are read by slices, fetch and
// server-sent events. Everything that decides anything is elsewhere, where it can be tested natively.
package browser
