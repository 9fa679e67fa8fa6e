/* Control as a whole, on a real loop with real files: what comes into force, what is refused, what is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "control/control.h"
#include "telemetry/telemetry.h"

/* Nothing here should take longer. */
#define PATIENCE_NS (5 * NS_PER_S)

struct world {
	char folder[32], file[64];
	struct loop *loop;
	struct serve_flags flags;
	struct control *control;
	struct snapshot *held[4]; /* what a worker would hold: each snapshot published */
	uint32_t published, settled;
	struct timer deadline;
};

static void on_snapshot(void *arg, struct snapshot *s)
{
	struct world *w = arg;
	if (w->published < 4)
		w->held[w->published] = snapshot_ref(s);
	w->published++;
	loop_stop(w->loop);
}

static void on_settled(void *arg)
{
	struct world *w = arg;
	w->settled++;
	loop_stop(w->loop);
}

static void on_deadline(struct timer *t, uint64_t now)
{
	(void)now;
	loop_stop(container_of(t, struct world, deadline)->loop);
}

/* Until something is published or settled, or the time is over. */
static void run_for(struct world *w, uint64_t ns)
{
	/* a loop that was stopped once stays so: a new one would lose control's timers, so turns are taken one by one
	 */
	uint32_t published = w->published, settled = w->settled;
	uint64_t end = clock_now_ns() + ns;
	timer_set(w->loop, &w->deadline, end);
	while (w->published == published && w->settled == settled && clock_now_ns() < end)
		(void)uv_run(loop_uv(w->loop), UV_RUN_ONCE);
	timer_clear(&w->deadline);
}

static int make(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	snprintf(w->folder, sizeof w->folder, "/tmp/control-XXXXXX");
	if (!w || !mkdtemp(w->folder))
		return -1;
	snprintf(w->file, sizeof w->file, "%s/a.yaml", w->folder);
	w->loop = loop_new("control", 0);
	timer_init(&w->deadline, on_deadline);
	*state = w;
	return serve_flags_parse(&w->flags, 0, NULL, NULL);
}

static void begin(struct world *w)
{
	w->control = control_new(&(struct control_options){
		.loop = w->loop, .flags = &w->flags, .on_snapshot = on_snapshot, .on_settled = on_settled, .arg = w });
	assert_non_null(w->control);
}

static int unmake(void **state)
{
	struct world *w = *state;
	char command[64];
	for (uint32_t i = 0; i < 4; i++)
		snapshot_unref(w->held[i]);
	if (w->control)
		control_free(w->control);
	loop_free(w->loop);
	snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
	int r = system(command);
	free(w);
	return r;
}

/* A pool behind a Gateway at a port nobody listens on here, and further text. */
static void put(const struct world *w, const char *pool, const char *more)
{
	FILE *f = fopen(w->file, "we");
	assert_non_null(f);
	fprintf(f,
		"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
		"spec: {gatewayClassName: penstock, addresses: [{type: IPAddress, value: 127.0.0.1}],\n"
		"  listeners: [{name: http, port: 47, protocol: HTTP}]}\n"
		"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
		"spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{group: inference.networking.k8s.io,\n"
		"  kind: InferencePool, name: %s}]}]}\n"
		"---\napiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: {name: %s}\n"
		"spec: {selector: {matchLabels: {app: p}}, targetPorts: [{number: 8000}]}\n"
		"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s, labels: {app: p}}\n"
		"addressType: IPv4\nports: [{port: 8000}]\nendpoints: [{addresses: [10.0.0.1]}]\n%s",
		pool, pool, more);
	fclose(f);
}

static int load(struct world *w, char *ret_text, size_t cap)
{
	struct config_errors errors;
	config_errors_init(&errors);
	int r = control_load(w->control, &errors);
	span_copy(ret_text, cap, buf_span(&errors.text));
	config_errors_free(&errors);
	return r;
}

static void flags_alone_make_a_gateway(void **state)
{
	struct world *w = *state;
	char text[256], at[ADDRESS_TEXT_MAX];
	w->flags.backends[w->flags.backend_count++] = SPAN("http://10.0.0.1:8000");
	w->flags.backends[w->flags.backend_count++] = SPAN("http://[fd00::1]:8000");
	begin(w);
	assert_int_equal(load(w, text, sizeof text), 0);
	assert_int_equal(w->published, 1);
	struct snapshot *s = control_snapshot(w->control);
	assert_int_equal(s->listener_count, 1);
	address_format(&s->listeners[0].address, at);
	assert_string_equal(at, "127.0.0.1:8080");
	assert_int_equal(s->pool_count, 1);
	pool_lock(s->pools[0].pool);
	assert_int_equal(pool_size_locked(s->pools[0].pool), 2);
	pool_unlock(s->pools[0].pool);
	assert_true(s->body_memory_bytes > 0);
	control_watch(w->control);
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->settled, 1); /* no names: at once */
}

static void a_start_with_nothing_to_serve_is_refused(void **state)
{
	struct world *w = *state;
	char text[256];
	begin(w);
	assert_int_equal(load(w, text, sizeof text), -PS_ECONFIG);
	assert_non_null(strstr(text, "nothing would be served"));
	assert_int_equal(w->published, 0);
	assert_null(control_snapshot(w->control));
}

static void routes_without_a_gateway_get_the_default_listener(void **state)
{
	struct world *w = *state;
	char text[512];
	FILE *f = fopen(w->file, "we");
	fputs("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
	      "spec: {parentRefs: [{name: flags}], rules: [{backendRefs: [{group: inference.networking.k8s.io, kind: "
	      "InferencePool, name: p}]}]}\n"
	      "---\napiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: {name: p}\n"
	      "spec: {selector: {matchLabels: {app: p}}, targetPorts: [{number: 8000}]}\n",
	      f);
	fclose(f);
	w->flags.files[w->flags.file_count++] = span_str(w->file);
	begin(w);
	if (load(w, text, sizeof text) < 0)
		fail_msg("%s", text);
	struct snapshot *s = control_snapshot(w->control);
	assert_int_equal(s->listener_count, 1);
	assert_int_equal(address_port(&s->listeners[0].address), 8080);
	const struct h1_head head = { .method = H1_GET, .path = SPAN("/v1/models") };
	const struct route_request rq = { .listener = s->listeners[0].route_listener, .head = &head };
	const struct route_rule *rule;
	assert_int_equal(route_match(s->routes, &rq, &rule), ROUTE_FOUND);
}

static void routes_that_hang_nowhere_are_refused(void **state)
{
	struct world *w = *state;
	char text[512];
	FILE *f = fopen(w->file, "we");
	fputs("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [{}]}\n",
	      f);
	fclose(f);
	w->flags.files[w->flags.file_count++] = span_str(w->file);
	begin(w);
	assert_int_equal(load(w, text, sizeof text), -PS_ECONFIG);
	assert_non_null(strstr(text, "no HTTPRoute has parentRefs"));
}

static void an_error_names_file_line_and_field(void **state)
{
	struct world *w = *state;
	char text[512], wanted[128];
	put(w, "p", "---\napiVersion: v1\nkind: Servise\nmetadata: {name: x}\n");
	w->flags.files[w->flags.file_count++] = span_str(w->folder);
	begin(w);
	assert_int_equal(load(w, text, sizeof text), -PS_ECONFIG);
	snprintf(wanted, sizeof wanted, "%s:26:7: kind: ", w->file);
	if (!strstr(text, wanted))
		fail_msg("%s", text);
}

static void start_with_file(struct world *w, const char *pool)
{
	char text[512];
	put(w, pool, "");
	w->flags.files[w->flags.file_count++] = span_str(w->file);
	begin(w);
	if (load(w, text, sizeof text) < 0)
		fail_msg("%s", text);
	control_watch(w->control);
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->settled, 1);
}

static uint64_t reloads(const char *result)
{
	struct span label = span_str(result);
	return tm_value(tm_series_of(TM_CONFIG_RELOADS, &label, 1));
}

static void a_changed_file_comes_into_force_within_a_second(void **state)
{
	struct world *w = *state;
	start_with_file(w, "p");
	struct pool *p = control_snapshot(w->control)->pools[0].pool;
	uint64_t began = clock_now_ns();
	put(w, "p", "---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 1}]}\n");
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 2);
	assert_true(clock_now_ns() - began < NS_PER_S);
	struct snapshot *s = control_snapshot(w->control);
	assert_int_equal(s->generation, 2);
	assert_ptr_equal(s->pools[0].pool, p);
	run_for(w, 700 * NS_PER_MS); /* and is read once only */
	assert_int_equal(w->published, 2);
}

static void a_wrong_change_leaves_the_old_one_in_force(void **state)
{
	struct world *w = *state;
	uint64_t rejected = reloads("rejected");
	start_with_file(w, "p");
	put(w, "p", "---\nkind: [\n");
	run_for(w, 900 * NS_PER_MS);
	assert_int_equal(w->published, 1);
	assert_int_equal(control_snapshot(w->control)->generation, 1);
	assert_int_equal(reloads("rejected") - rejected, 1); /* not tried again and again */
	put(w, "p", "");
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 2);
}

static void a_reload_can_be_asked_for(void **state)
{
	struct world *w = *state;
	start_with_file(w, "p");
	control_reload(w->control);
	control_reload(w->control); /* two signals, one message */
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 2);
	control_reload(w->control);
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 3);
}

static void an_address_in_use_is_refused_before_anything_changes(void **state)
{
	struct world *w = *state;
	char gateway[512];
	struct address any, is;
	start_with_file(w, "p");
	assert_int_equal(address_parse(&any, SPAN("127.0.0.1:0"), NULL), 0);
	int fd = socket_bind(&any, NULL);
	assert_int_equal(socket_address(fd, &is), 0);
	snprintf(gateway, sizeof gateway,
		 "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: h}\n"
		 "spec: {gatewayClassName: penstock, addresses: [{type: IPAddress, value: 127.0.0.1}],\n"
		 "  listeners: [{name: http, port: %u, protocol: HTTP}]}\n",
		 address_port(&is));
	put(w, "p", gateway);
	run_for(w, 900 * NS_PER_MS);
	assert_int_equal(w->published, 1);
	close(fd);
	control_reload(w->control); /* now it is free */
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 2);
}

static void a_pool_lives_while_a_worker_holds_a_snapshot_that_names_it(void **state)
{
	struct world *w = *state;
	start_with_file(w, "p");
	struct pool *p = control_snapshot(w->control)->pools[0].pool;
	put(w, "q", "");
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 2);
	run_for(w, 1200 * NS_PER_MS);
	pool_lock(p); /* still there: the first snapshot is held */
	assert_int_equal(pool_size_locked(p), 1);
	pool_unlock(p);
	assert_int_equal(snapshot_refs(w->held[0]), 2);
	snapshot_unref(w->held[0]);
	w->held[0] = NULL;
	run_for(w, 1200 * NS_PER_MS); /* freed, snapshot and pool: the sanitizer says whether all of it */
	put(w, "p", "");
	run_for(w, PATIENCE_NS);
	assert_int_equal(w->published, 3);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(flags_alone_make_a_gateway),
		IN_WORLD(a_start_with_nothing_to_serve_is_refused),
		IN_WORLD(routes_without_a_gateway_get_the_default_listener),
		IN_WORLD(routes_that_hang_nowhere_are_refused),
		IN_WORLD(an_error_names_file_line_and_field),
		IN_WORLD(a_changed_file_comes_into_force_within_a_second),
		IN_WORLD(a_wrong_change_leaves_the_old_one_in_force),
		IN_WORLD(a_reload_can_be_asked_for),
		IN_WORLD(an_address_in_use_is_refused_before_anything_changes),
		IN_WORLD(a_pool_lives_while_a_worker_holds_a_snapshot_that_names_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
