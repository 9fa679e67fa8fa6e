/* The objects that `--listen` and `--backend` stand for, written as the manifest a person would write, so that there is
 * one way in. Control thread; at start. */
#include "config/config.h"

#include <stdio.h>

enum { FLAG_HOST_MAX = 253 };

/* A host and a port cut from "HOST:PORT"; an IPv6 host loses its brackets. */
struct place {
	struct span host;
	uint64_t port;
	bool v6, is_name;
};

static int place_parse(struct span text, bool names, struct place *ret, struct err *e)
{
	struct address a;
	size_t colon = text.n;
	while (colon && text.p[colon - 1] != ':')
		colon--;
	struct span host = span_head(text, colon ? colon - 1 : 0);
	struct span port = span_skip(text, colon);
	if (!colon || !span_to_u64(port, &ret->port) || ret->port > 65535)
		return err_set(e, PS_EINVAL, "\"%.*s\" is not valid; wanted HOST:PORT", SPAN_ARG(text));
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = span_of(host.p + 1, host.n - 2);
	else if (span_find(host, ':') >= 0)
		return err_set(e, PS_EINVAL, "\"%.*s\" is not valid; an IPv6 address stands in brackets: [::1]:8000",
			       SPAN_ARG(text));
	bool ip = host.n && !address_from_host(&a, host, 1, NULL);
	if (!ip && (names ? !host.n : host.n != 0))
		return err_set(e, PS_EINVAL, "\"%.*s\" is not valid; wanted an IP address before the port",
			       SPAN_ARG(text));
	if (host.n > FLAG_HOST_MAX)
		return err_set(e, PS_EINVAL, "the host name is too long; wanted at most %d bytes", FLAG_HOST_MAX);
	ret->host = host;
	ret->v6 = span_find(host, ':') >= 0;
	ret->is_name = !ip;
	return 0;
}

/* "http://HOST[:PORT][/]"; the scheme may be left out. */
static int backend_parse(struct span url, struct place *ret, struct err *e)
{
	struct span rest = url;
	char with_port[FLAG_HOST_MAX + 8];
	if (span_starts(rest, SPAN("https://")))
		return err_set(e, PS_EINVAL, "\"%.*s\": TLS to replicas is not supported; wanted http://HOST:PORT",
			       SPAN_ARG(url));
	if (span_starts(rest, SPAN("http://")))
		rest = span_skip(rest, 7);
	if (span_ends(rest, SPAN("/")))
		rest = span_head(rest, rest.n - 1);
	if (span_find(rest, '/') >= 0 || span_find(rest, '@') >= 0 || span_find(rest, '?') >= 0 ||
	    rest.n > FLAG_HOST_MAX)
		return err_set(e, PS_EINVAL, "\"%.*s\" is not valid; wanted http://HOST:PORT without a path",
			       SPAN_ARG(url));
	bool has_port = span_find(rest, ':') >= 0 && !span_ends(rest, SPAN("]"));
	(void)snprintf(with_port, sizeof with_port, "%.*s%s", SPAN_ARG(rest), has_port ? "" : ":80");
	int r = place_parse(span_str(with_port), true, ret, e);
	if (r)
		return r;
	ret->host = span_of(rest.p + (ret->v6 ? 1 : 0), ret->host.n); /* in the caller's text, not in ours */
	if (!ret->port)
		return err_set(e, PS_EINVAL, "\"%.*s\" is not valid; wanted a port from 1 to 65535", SPAN_ARG(url));
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
		r = place_parse(listen[i], false, &p, e);
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
