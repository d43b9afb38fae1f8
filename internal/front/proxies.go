package front

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the networks of the reverse proxies whose word counts on where a request came from. Everybody else's
// X-Forwarded-For can be forged, and is not read.
type proxies []netip.Prefix

// mostHops is how many proxies a request may have come through.
const mostHops = 16

func (p proxies) trusted(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// unwrap gives the request as if its client had sent it straight to the gateway: each trusted proxy tells the address that
// the request came to it from, at the end of X-Forwarded-For. The first one that is no proxy's is the client's, whatever
// the client itself has written before it.
func (p proxies) unwrap(r *http.Request) *http.Request {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !p.trusted(plainAddress(peer.Addr())) {
		return r
	}
	client, hops := plainAddress(peer.Addr()), strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for range mostHops {
		if hops == "" || !p.trusted(client) {
			break
		}
		last := hops[strings.LastIndexByte(hops, ',')+1:]
		hops = strings.TrimSuffix(strings.TrimSuffix(hops, last), ",")
		told, ok := addressOf(strings.TrimSpace(last))
		if !ok { // what a proxy says so is no address: it is all that is known
			break
		}
		client = told
	}
	unwrapped := *r
	unwrapped.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	return &unwrapped
}

// addressOf reads an address as proxies write it, some of them with a port.
func addressOf(text string) (netip.Addr, bool) {
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return plainAddress(address), true
	}
	withPort, err := netip.ParseAddrPort(text)
	return plainAddress(withPort.Addr()), err == nil
}

func plainAddress(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }
