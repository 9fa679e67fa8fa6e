/* The operators' HTTP server. On the control loop's thread; a page is made whole, in memory, and sent.
 *
 * What there is to ask stands in one table, from which the index and the answer to unknown paths are made too. */
#include "admin/admin.h"

#include <stdlib.h>

#include "admin/internal.h"
#include "telemetry/telemetry.h"

enum { CONNECTIONS_MAX = 64, REQUEST_BYTES_MAX = 4096 };

struct endpoint {
	const char *path, *type, *help;
	/* The body into b. An HTTP status, or -PS_E…. */
	int (*make)(struct admin *a, struct buf *b);
};

#define TEXT "text/plain; charset=utf-8"

static int paths_list(struct buf *b);

static int make_index(struct admin *a, struct buf *b)
{
	(void)a;
	int r = buf_printf(b, "Penstock, an inference gateway. What can be asked here:\n\n");
	return r == 0 && (r = paths_list(b)) == 0 ? 200 : r;
}

static int make_health(struct admin *a, struct buf *b)
{
	(void)a;
	int r = buf_add(b, SPAN("ok\n"));
	return r == 0 ? 200 : r;
}

static int make_ready(struct admin *a, struct buf *b)
{
	bool ready = a->snapshot != NULL;
	int r = ready ? 0 : buf_add(b, SPAN("no configuration is in force\n"));
	if (a->ready && !a->ready(a->arg, b))
		ready = false;
	if (r == 0 && ready)
		r = buf_add(b, SPAN("ready\n"));
	return r < 0 ? r : ready ? 200 : 503;
}

static int make_metrics(struct admin *a, struct buf *b)
{
	(void)a;
	int r = tm_write(b);
	return r == 0 ? 200 : r;
}

static int make_pools(struct admin *a, struct buf *b)
{
	int r = pools_page(a, b);
	return r == 0 ? 200 : r;
}

static int make_config(struct admin *a, struct buf *b)
{
	int r = config_page(a, b);
	return r == 0 ? 200 : r;
}

static const struct endpoint endpoints[] = {
	{ "/", TEXT, "this list", make_index },
	{ "/healthz", TEXT, "200 while the process runs", make_health },
	{ "/readyz", TEXT, "200 when traffic may be sent here, else 503 and why not", make_ready },
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", "Prometheus metrics", make_metrics },
	{ "/debug/pools", "application/json", "pools and replicas: state, signals and their age, load", make_pools },
	{ "/debug/config", "application/json", "the configuration in force, without secrets", make_config },
};
enum { ENDPOINTS = sizeof endpoints / sizeof *endpoints };

static int paths_list(struct buf *b)
{
	int r = 0;
	for (unsigned i = 0; i < ENDPOINTS && r == 0; i++)
		r = buf_printf(b, "%-14s %s\n", endpoints[i].path, endpoints[i].help);
	return r;
}

static int make_not_found(struct admin *a, struct buf *b)
{
	(void)a;
	int r = buf_printf(b, "There is no such path. What can be asked here:\n\n");
	return r == 0 && (r = paths_list(b)) == 0 ? 404 : r;
}

static const struct endpoint not_found = { "", TEXT, "", make_not_found };

static const struct endpoint *endpoint_find(const struct httpd_request *rq)
{
	for (unsigned i = 0; i < ENDPOINTS; i++)
		if (httpd_path_is(rq, endpoints[i].path))
			return &endpoints[i];
	return &not_found;
}

static void on_request(struct httpd_request *rq, void *arg)
{
	struct admin *a = arg;
	const struct endpoint *e = endpoint_find(rq);
	struct buf body;
	if (rq->head->method != H1_GET && rq->head->method != H1_HEAD) {
		struct httpd_answer answer = { 405, TEXT, SPAN("allow: GET, HEAD\r\n") };
		httpd_respond(rq, &answer, SPAN("Only GET and HEAD are answered here.\n"));
		return;
	}
	buf_init(&body, ADMIN_PAGE_BYTES_MAX);
	int status = e->make(a, &body);
	if (status < 0) {
		httpd_respond_error(rq, 500, "%s", error_row(status)->text);
	} else {
		struct httpd_answer answer = { status, e->type, SPAN("cache-control: no-store\r\n") };
		httpd_respond(rq, &answer, buf_span(&body));
	}
	buf_free(&body);
}

/* ---- life ---- */

struct admin *admin_new(struct loop *l, const struct address *at, admin_ready *ready, void *arg, struct err *e)
{
	struct httpd_options o = httpd_options_default();
	struct admin *a = calloc(1, sizeof *a);
	if (!a) {
		(void)err_set(e, PS_ENOMEM, "no memory for the admin server");
		return NULL;
	}
	o.connections_max = CONNECTIONS_MAX;
	o.body_max_bytes = REQUEST_BYTES_MAX;
	o.out_max_bytes = ADMIN_PAGE_BYTES_MAX;
	a->loop = l;
	a->ready = ready;
	a->arg = arg;
	gauges_init(a);
	a->server = httpd_new(l, at, &o, on_request, a, e);
	if (!a->server) {
		free(a);
		return NULL;
	}
	tm_on_scrape(gauges_refresh, a);
	return a;
}

void admin_publish(struct admin *a, struct snapshot *s)
{
	struct snapshot *old = a->snapshot;
	a->snapshot = s ? snapshot_ref(s) : NULL;
	if (old)
		snapshot_unref(old);
}

const struct address *admin_address(const struct admin *a)
{
	return httpd_address(a->server);
}

void admin_free(struct admin *a)
{
	if (!a)
		return;
	httpd_free(a->server);
	tm_off_scrape(gauges_refresh, a);
	gauges_done(a);
	admin_publish(a, NULL);
	free(a);
}
