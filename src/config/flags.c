/* The objects that `--listen` and `--backend` stand for, written as the manifest a person would write, so that there is
 * one way in. Control thread; at start. */
#include "config/config.h"

#include <stdio.h>

#include "config/scalar.h"

/* A host and a port; an IPv6 host without its brackets. */
struct place {
	struct span host;
	uint64_t port;
	bool v6, is_name;
};

static int refuse(struct err *e, struct span text, const char *wanted)
{
	return err_set(e, PS_EINVAL, "\"%.*s\" is not valid; wanted %s", SPAN_ARG(text), wanted);
}

/* "HOST", "HOST:PORT", "[V6]", "[V6]:PORT"; false for anything else. */
static bool split(struct span text, struct span *host, struct span *port)
{
	bool brackets = text.n && text.p[0] == '[';
	ptrdiff_t end = span_find(text, brackets ? ']' : ':');
	if (end < 0)
		end = (ptrdiff_t)text.n;
	*host = brackets ? span_skip(span_head(text, (size_t)end), 1) : span_head(text, (size_t)end);
	*port = span_skip(text, (size_t)end + brackets);
	if (port->n && port->p[0] != ':')
		return false;
	*port = span_skip(*port, 1);
	return span_find(*port, ':') < 0 && (!brackets || span_find(*host, ':') >= 0);
}

static bool is_ip(struct span host)
{
	return host.n && !scalar_is_ip(host);
}

static int listen_parse(struct span text, struct place *ret, struct err *e)
{
	struct place p = { 0 };
	struct span port;
	if (!split(text, &p.host, &port) || !span_to_u64(port, &p.port) || p.port > UINT16_MAX)
		return refuse(e, text, "HOST:PORT, an IPv6 address in brackets");
	if (span_eq(p.host, SPAN("localhost")))
		p.host = SPAN("127.0.0.1");
	if (p.host.n && !is_ip(p.host))
		return refuse(e, text, "an IP address before the port, or nothing for every address");
	*ret = p;
	return 0;
}

/* "http://HOST[:PORT][/]"; the scheme may be left out. */
static int backend_parse(struct span url, struct place *ret, struct err *e)
{
	struct place p = { .port = 80 };
	struct span rest = url, port;
	if (span_starts(rest, SPAN("https://")))
		return refuse(e, url, "http://HOST:PORT (TLS to replicas is not supported)");
	if (span_starts(rest, SPAN("http://")))
		rest = span_skip(rest, strlen("http://"));
	if (span_ends(rest, SPAN("/")))
		rest = span_head(rest, rest.n - 1);
	if (!split(rest, &p.host, &port) || (port.n && (!span_to_u64(port, &p.port) || p.port > UINT16_MAX || !p.port)))
		return refuse(e, url, "http://HOST:PORT");
	p.is_name = !is_ip(p.host);
	p.v6 = !p.is_name && span_find(p.host, ':') >= 0;
	if (p.is_name && (scalar_is_hostname(p.host) || p.host.p[0] == '*'))
		return refuse(e, url, "http://HOST:PORT with an IP address or a host name in lower case, and no path");
	*ret = p;
	return 0;
}

static int gateway_text(uint32_t number, const struct place *p, struct buf *out)
{
	char name[32] = "flags", addresses[96] = "";
	if (number)
		(void)snprintf(name, sizeof name, "flags-%u", number + 1);
	if (p->host.n)
		(void)snprintf(addresses, sizeof addresses, ", addresses: [{ type: IPAddress, value: \"%.*s\" }]",
			       SPAN_ARG(p->host));
	return buf_printf(
		out,
		"---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: %s }\n"
		"spec: { gatewayClassName: penstock%s, listeners: [{ name: http, port: %u, protocol: HTTP }] }\n",
		name, addresses, (unsigned)p->port);
}

static int slice_text(uint32_t number, const struct place *p, struct buf *out)
{
	return buf_printf(out,
			  "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: flags-%u, "
			  "labels: { penstock.dev/pool: flags } }\n"
			  "addressType: %s\nendpoints: [{ addresses: [\"%.*s\"] }]\nports: [{ port: %u }]\n",
			  number + 1,
			  p->is_name ? "FQDN"
			  : p->v6    ? "IPv6"
				     : "IPv4",
			  SPAN_ARG(p->host), (unsigned)p->port);
}

/* The pool, and the route to it from every Gateway. */
static int route_text(size_t gateways, struct buf *out)
{
	int r = buf_printf(
		out,
		"---\napiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: { name: flags }\n"
		"spec: { selector: { matchLabels: { penstock.dev/pool: flags } }, targetPorts: [{ number: 8000 }] }\n"
		"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: flags }\nspec:\n"
		"  parentRefs: [");
	for (size_t i = 0; i < gateways && !r; i++) {
		char suffix[32] = "";
		if (i)
			(void)snprintf(suffix, sizeof suffix, "-%zu", i + 1);
		r = buf_printf(out, "{ name: flags%s }, ", suffix);
	}
	return r ? r
		 : buf_printf(out, "]\n  rules: [{ backendRefs: [{ group: inference.networking.k8s.io, kind: "
				   "InferencePool, name: flags }] }]\n");
}

int config_flags_text(const struct span *listen, size_t listen_n, const struct span *backends, size_t backend_n,
		      struct buf *out, struct err *e)
{
	struct place p = { 0 };
	int r = 0;
	for (size_t i = 0; i < listen_n && !r; i++) {
		r = listen_parse(listen[i], &p, e);
		if (!r)
			r = gateway_text((uint32_t)i, &p, out);
	}
	for (size_t i = 0; i < backend_n && !r; i++) {
		r = backend_parse(backends[i], &p, e);
		if (!r)
			r = slice_text((uint32_t)i, &p, out);
	}
	return r || !backend_n ? r : route_text(listen_n, out);
}
