/* The mock server over real sockets: its bytes beside those of a real vLLM 0.32 (tests/data/vllm-0.32), its cache, its
 * metrics beside what was asked of it, adapters, and what each fault does to a client. */
#include "mock/mock.h"

#include <ctype.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_MAX = 1 << 20 };

struct server {
	struct loop *loop;
	struct mock *mock;
};

static struct server serve(struct mock_options o)
{
	struct err e = { 0 };
	struct server s = { .loop = loop_new("mock", 0) };
	s.mock = mock_start(s.loop, &o, &e);
	if (!s.mock)
		fail_msg("%s", e.text);
	assert_int_equal(loop_start(s.loop), 0);
	return s;
}

static void stop(struct server s)
{
	loop_stop(s.loop);
	loop_join(s.loop);
	mock_free(s.mock);
	loop_free(s.loop);
}

static struct server tiny(void)
{
	return serve((struct mock_options){
		.models = { "tiny" }, .loras = { "lora-a", "lora-b=/srv/b" }, .max_model_len = 2048, .speed = 200 });
}

/* ---- a client ---- */

enum heard { CLOSED, RESET, OPEN };

static int dial(struct server s)
{
	const struct address *at = mock_address(s.mock);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (const struct sockaddr *)&at->sa, at->len) == 0)
		return fd;
	close(fd);
	return -1;
}

static enum heard hear(int fd, char *out, int silence_ms)
{
	size_t n = 0;
	enum heard how = OPEN;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	while (how == OPEN && poll(&p, 1, silence_ms) == 1) {
		ssize_t r = recv(fd, out + n, ANSWER_MAX - 1 - n, 0);
		if (r > 0)
			n += (size_t)r;
		else
			how = r == 0 ? CLOSED : RESET;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = out[i] ? out[i] : '?';
	out[n] = '\0';
	return how;
}

static int ask(struct server s, const char *method, const char *path, const char *body)
{
	char head[512];
	int fd = dial(s);
	assert_true(fd >= 0);
	snprintf(head, sizeof head,
		 "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "
		 "%zu\r\n\r\n",
		 method, path, strlen(body));
	(void)!send(fd, head, strlen(head), MSG_NOSIGNAL);
	(void)!send(fd, body, strlen(body), MSG_NOSIGNAL);
	return fd;
}

static char answer[ANSWER_MAX];

/* The whole answer, to its end. */
static const char *get(struct server s, const char *method, const char *path, const char *body)
{
	int fd = ask(s, method, path, body);
	assert_int_equal(hear(fd, answer, 5000), CLOSED);
	close(fd);
	return answer;
}

static const char *post(struct server s, const char *path, const char *body)
{
	return get(s, "POST", path, body);
}

/* The number behind a text, or -1. */
static double number_after(const char *text, const char *what)
{
	const char *p = strstr(text, what);
	return p ? strtod(p + strlen(what), NULL) : -1;
}

static double metric(struct server s, const char *name)
{
	char line[256];
	snprintf(line, sizeof line, "\n%s{engine=\"0\",model_name=\"tiny\"} ", name);
	return number_after(get(s, "GET", "/metrics", ""), line);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* ---- beside the real engine ---- */

static char *load_file(const char *name)
{
	static char text[ANSWER_MAX];
	char path[256];
	snprintf(path, sizeof path, "tests/data/vllm-0.32/%s", name);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s is missing: run from the project's root", path);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return text;
}

static bool at(const char *p, const char *what)
{
	return strncmp(p, what, strlen(what)) == 0;
}

/* Skips the rest of a JSON string; p is behind the opening quote. */
static const char *behind_string(const char *p)
{
	while (*p && *p != '"')
		p += *p == '\\' ? 2 : 1;
	return *p ? p + 1 : p;
}

/* What must be equal of two answers: words, numbers, sizes, ids and dates are taken out; so is what the captured engine
 * did not tell without an option (cached tokens). */
static char *skeleton(const char *p, char *out)
{
	static const char *const strings[] = { "\"id\":\"", "\"content\":\"", "\"text\":\"",
					       "\"system_fingerprint\":\"", "\"item_id\":\"" };
	static const char *const dropped[] = { ",\"prompt_tokens_details\":null",
					       ",\"prompt_tokens_details\":{\"cached_tokens\":",
					       ",\"cache_read_input_tokens\":" };
	char *o = out;
	bool line_start = true;
	while (*p) {
		bool done = false;
		for (size_t i = 0; i < sizeof strings / sizeof strings[0] && !done; i++)
			if (at(p, strings[i])) {
				o = stpcpy(o, strings[i]);
				p = behind_string(p + strlen(strings[i]));
				*o++ = '"';
				done = true;
			}
		for (size_t i = 0; i < sizeof dropped / sizeof dropped[0] && !done; i++)
			if (at(p, dropped[i])) {
				p += strlen(dropped[i]);
				while (isdigit((unsigned char)*p))
					p++;
				p += i == 1;
				done = true;
			}
		if (done)
			continue;
		if (line_start && at(p, "date: "))
			p += strcspn(p, "\n");
		else if (line_start && isxdigit((unsigned char)*p) && p[strspn(p, "0123456789abcdef")] == '\r' &&
			 *p != '0')
			p += strspn(p, "0123456789abcdef"); /* a chunk size */
		else if (isdigit((unsigned char)*p)) {
			p += strspn(p, "0123456789.");
			*o++ = 'N';
		} else {
			line_start = *p == '\n';
			*o++ = *p++;
		}
	}
	*o = '\0';
	return out;
}

#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"Tell me of the sea.\"}]"
#define CHAT "{\"model\":\"tiny\"," MESSAGES

static const struct pair {
	const char *file, *method, *path, *body;
} pairs[] = {
	{ "chat.http", "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":8}" },
	{ "chat.lora-a.http", "POST", "/v1/chat/completions", "{\"model\":\"lora-a\"," MESSAGES ",\"max_tokens\":4}" },
	{ "chat.stream.http", "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":8,\"stream\":true}" },
	{ "chat.lora-b.stream.http", "POST", "/v1/chat/completions",
	  "{\"model\":\"lora-b\"," MESSAGES ",\"max_completion_tokens\":4,\"stream\":true}" },
	{ "chat.stream.usage.http", "POST", "/v1/chat/completions",
	  CHAT ",\"max_tokens\":8,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ "chat.stream.usage.continuous.http", "POST", "/v1/chat/completions",
	  CHAT ",\"max_tokens\":4,\"stream\":true,\"stream_options\":{\"include_usage\":true,\"continuous_usage_"
	       "stats\":true}}" },
	{ "chat.stream.n2.http", "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":3,\"n\":2,\"stream\":true}" },
	{ "completions.http", "POST", "/v1/completions", "{\"model\":\"tiny\",\"prompt\":\"Once\",\"max_tokens\":40}" },
	{ "completions.list.http", "POST", "/v1/completions",
	  "{\"model\":\"tiny\",\"prompt\":[\"Once\",\"Then\"],\"max_tokens\":4}" },
	{ "completions.tokenids.http", "POST", "/v1/completions",
	  "{\"model\":\"tiny\",\"prompt\":[1,2,3],\"max_tokens\":4}" },
	{ "completions.stream.http", "POST", "/v1/completions",
	  "{\"model\":\"tiny\",\"prompt\":\"Once\",\"max_tokens\":8,\"stream\":true,\"stream_options\":{\"include_"
	  "usage\":true}}" },
	{ "messages.http", "POST", "/v1/messages", CHAT ",\"max_tokens\":8}" },
	/* The captured one said nothing but its first token. */
	{ "messages.stream.http", "POST", "/v1/messages", CHAT ",\"max_tokens\":1,\"stream\":true}" },
	{ "models.http", "GET", "/v1/models", "" },
	{ "err.bad-type.http", "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":\"x\"}" },
	{ "err.embeddings-unsupported.http", "POST", "/v1/nothing", "{}" },
	{ "err.max-tokens-too-big.http", "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":100000}" },
	{ "err.method.http", "GET", "/v1/chat/completions", "" },
	{ "err.neg-temperature.http", "POST", "/v1/chat/completions", CHAT ",\"temperature\":-1}" },
	{ "err.no-messages.http", "POST", "/v1/chat/completions", "{\"model\":\"tiny\"}" },
	{ "err.unknown-model.http", "POST", "/v1/chat/completions", "{\"model\":\"nope\"," MESSAGES "}" },
	{ "err.unknown-path.http", "GET", "/nothing", "" },
};

static void answers_are_those_of_the_real_engine(void **state)
{
	(void)state;
	static char wanted[ANSWER_MAX], got[ANSWER_MAX];
	struct server s = tiny();
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		const struct pair *p = &pairs[i];
		skeleton(load_file(p->file), wanted);
		skeleton(get(s, p->method, p->path, p->body), got);
		/* The model's folder is the capture's own. */
		char *root = strcmp(p->file, "models.http") == 0 ? strstr(wanted, "\"root\":\"/") : NULL;
		if (root) {
			assert_int_equal(count(got, "\"root\":"), count(wanted, "\"root\":"));
			continue;
		}
		if (strcmp(wanted, got) != 0)
			fail_msg("%s\nwanted:\n%s\ngot:\n%s", p->file, wanted, got);
	}
	stop(s);
}

static void too_long_a_prompt_is_refused_by_characters(void **state)
{
	(void)state;
	static char body[60000], wanted[ANSWER_MAX], got[ANSWER_MAX];
	struct server s = tiny();
	int n = snprintf(body, sizeof body, "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"");
	memset(body + n, 'x', 48000);
	snprintf(body + n + 48000, sizeof body - 48000 - (size_t)n, "\"}],\"stream\":true}");
	skeleton(load_file("err.too-long-stream.http"), wanted);
	assert_string_equal(skeleton(post(s, "/v1/chat/completions", body), got), wanted);
	stop(s);
}

/* ---- words and cache ---- */

enum { WORDS_MAX = 4096 };

/* The text behind "content":" or "text":" of a whole answer, cut at WORDS_MAX - 1. */
static const char *words(const char *text, char *out)
{
	const char *p = strstr(text, "\"content\":\"");
	p = p ? p + 11 : strstr(text, "\"text\":\"") + 8;
	size_t n = (size_t)(behind_string(p) - 1 - p);
	n = n < WORDS_MAX ? n : WORDS_MAX - 1;
	memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

static void the_same_seed_says_the_same(void **state)
{
	(void)state;
	static const char body[] = CHAT ",\"max_tokens\":30}";
	static char first[WORDS_MAX], second[WORDS_MAX], other[WORDS_MAX], lora[WORDS_MAX];
	struct server a = tiny(),
		      b = serve((struct mock_options){ .models = { "tiny" }, .profile = "l4-8b", .speed = 200 }),
		      c = serve((struct mock_options){ .models = { "tiny" }, .seed = 5, .speed = 200 });
	words(post(a, "/v1/chat/completions", body), first);
	words(post(b, "/v1/chat/completions", body), second);
	words(post(c, "/v1/chat/completions", body), other);
	words(post(a, "/v1/chat/completions", "{\"model\":\"lora-a\"," MESSAGES ",\"max_tokens\":30}"), lora);
	assert_int_equal(strlen(first), 120);
	assert_string_equal(first, second);
	assert_string_not_equal(first, other);
	assert_string_not_equal(first, lora);
	/* Without a limit an answer ends by itself, and begins the same. */
	const char *free_text = post(a, "/v1/chat/completions", CHAT "}");
	assert_non_null(strstr(free_text, "\"finish_reason\":\"stop\""));
	words(free_text, other);
	assert_int_equal(strncmp(first, other, strlen(other) < 120 ? strlen(other) : 120), 0);
	stop(a);
	stop(b);
	stop(c);
}

/* The second turn of a chat, asked of `model`, with further fields. */
static double cached_tokens(struct server s, const char *model, const char *said, const char *more)
{
	static char body[8192];
	snprintf(body, sizeof body,
		 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Tell me of the sea.\"},"
		 "{\"role\":\"assistant\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"More.\"}],"
		 "\"max_tokens\":1%s}",
		 model, said, more);
	return number_after(post(s, "/v1/chat/completions", body), "\"cached_tokens\":");
}

static void the_next_turn_finds_the_last_in_the_cache(void **state)
{
	(void)state;
	static char said[WORDS_MAX];
	struct server s = tiny();
	const char *first = post(s, "/v1/chat/completions", CHAT ",\"max_tokens\":200}");
	double prompt = number_after(first, "\"prompt_tokens\":");
	assert_true(number_after(first, "\"cached_tokens\":") == 0);
	words(first, said);
	double cached = cached_tokens(s, "tiny", said, "");
	assert_true(cached > prompt + 200 - 32);
	assert_true(cached <= prompt + 200);
	const char *told = post(s, "/mock/cached", CHAT "}");
	assert_true(number_after(told, "\"prompt_tokens\":") == prompt);
	assert_true(number_after(told, "\"cached_tokens\":") == (int)prompt / 16 * 16);
	assert_non_null(strstr(post(s, "/mock/cached", "{\"model\":\"nope\"}"), "HTTP/1.1 404"));
	/* Neither an adapter nor a salt sees what others left, but each sees its own. */
	assert_true(cached_tokens(s, "lora-a", said, "") == 0);
	assert_true(cached_tokens(s, "lora-a", said, "") > 200);
	assert_true(cached_tokens(s, "tiny", said, ",\"cache_salt\":\"mine\"") == 0);
	assert_true(cached_tokens(s, "tiny", said, ",\"cache_salt\":\"mine\"") > 200);
	stop(s);
}

static void tools_are_called(void **state)
{
	(void)state;
	static const char tools[] =
		"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{\"type\":"
		"\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}}}}}]";
	char body[1024];
	struct server s = tiny();
	snprintf(body, sizeof body, CHAT ",%s,\"tool_choice\":\"required\"}", tools);
	const char *a = post(s, "/v1/chat/completions", body);
	assert_non_null(strstr(a, "\"content\":null"));
	assert_non_null(strstr(a, "\"function\":{\"name\":\"weather\",\"arguments\":\"{\\\"city\\\": \\\""));
	assert_non_null(strstr(a, "\"finish_reason\":\"tool_calls\""));
	snprintf(body, sizeof body, CHAT ",%s,\"tool_choice\":\"auto\",\"max_tokens\":2}", tools);
	assert_null(strstr(post(s, "/v1/chat/completions", body), "tool_calls"));
	snprintf(body, sizeof body,
		 CHAT ",%s,\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"nope\"}}}", tools);
	assert_non_null(strstr(post(s, "/v1/chat/completions", body), "HTTP/1.1 400"));
	stop(s);
}

/* ---- metrics ---- */

static void metrics_are_what_happened(void **state)
{
	(void)state;
	struct server s = tiny();
	double prompt = 0;
	for (int i = 0; i < 5; i++)
		prompt += number_after(post(s, "/v1/chat/completions", CHAT ",\"max_tokens\":7}"),
				       "\"prompt_tokens\":");
	assert_true(metric(s, "vllm:prompt_tokens_total") == prompt);
	assert_true(metric(s, "vllm:generation_tokens_total") == 35);
	assert_true(metric(s, "vllm:prefix_cache_queries_total") == prompt);
	assert_true(metric(s, "vllm:prefix_cache_hits_total") == 4 * 16);
	assert_true(metric(s, "vllm:time_to_first_token_seconds_count") == 5);
	assert_true(metric(s, "vllm:inter_token_latency_seconds_count") == 30);
	assert_true(metric(s, "vllm:e2e_request_latency_seconds_count") == 5);
	assert_true(metric(s, "vllm:num_requests_running") == 0);
	assert_true(metric(s, "vllm:kv_cache_usage_perc") == 0);
	const char *page = get(s, "GET", "/metrics", "");
	assert_non_null(strstr(page, "content-type: text/plain; version=0.0.4"));
	assert_non_null(strstr(page, "block_size=\"16\""));
	assert_non_null(strstr(page, "num_gpu_blocks=\"26875\""));
	stop(s);
}

static void a_client_that_leaves_frees_the_engine(void **state)
{
	(void)state;
	struct server s = serve((struct mock_options){ .models = { "tiny" } });
	int fd = ask(s, "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":5000,\"stream\":true}");
	for (int i = 0; i < 200 && metric(s, "vllm:num_requests_running") != 1; i++)
		usleep(5000);
	assert_true(metric(s, "vllm:num_requests_running") == 1);
	assert_true(metric(s, "vllm:kv_cache_usage_perc") > 0);
	close(fd);
	for (int i = 0; i < 200 && metric(s, "vllm:num_requests_running") != 0; i++)
		usleep(5000);
	assert_true(metric(s, "vllm:num_requests_running") == 0);
	assert_true(metric(s, "vllm:kv_cache_usage_perc") == 0);
	assert_non_null(strstr(get(s, "GET", "/metrics", ""), "finished_reason=\"abort\"} 1.0"));
	stop(s);
}

static void an_open_request_does_not_outlive_its_server(void **state)
{
	(void)state;
	struct server s = serve((struct mock_options){ .models = { "tiny" } });
	int fd = ask(s, "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":5000,\"stream\":true}");
	for (int i = 0; i < 200 && metric(s, "vllm:num_requests_running") != 1; i++)
		usleep(5000);
	stop(s);
	assert_int_not_equal(hear(fd, answer, 1000), OPEN);
	close(fd);
}

/* ---- adapters ---- */

static void adapters_come_and_go(void **state)
{
	(void)state;
	struct server s = tiny();
	static const char load[] = "{\"lora_name\":\"lora-c\",\"lora_path\":\"/srv/c\"}",
			  unload[] = "{\"lora_name\":\"lora-b\"}";
	assert_non_null(strstr(post(s, "/v1/load_lora_adapter", load),
			       "\r\n\r\nSuccess: LoRA adapter 'lora-c' added successfully."));
	assert_non_null(strstr(post(s, "/v1/load_lora_adapter", load), "HTTP/1.1 400"));
	assert_non_null(strstr(post(s, "/v1/load_lora_adapter", "{\"lora_name\":\"x\"}"), "HTTP/1.1 400"));
	assert_non_null(strstr(post(s, "/v1/load_lora_adapter", "[]"), "HTTP/1.1 400"));
	assert_non_null(strstr(post(s, "/v1/load_lora_adapter", "{\"lora_name\":\"a\\\"b\",\"lora_path\":\"c\"}"),
			       "HTTP/1.1 400"));
	assert_non_null(strstr(post(s, "/v1/unload_lora_adapter", unload),
			       "\r\n\r\nSuccess: LoRA adapter 'lora-b' removed successfully."));
	assert_non_null(strstr(post(s, "/v1/unload_lora_adapter", unload), "HTTP/1.1 404"));
	const char *models = get(s, "GET", "/v1/models", "");
	assert_non_null(strstr(models, "\"id\":\"lora-c\""));
	assert_non_null(strstr(models, "\"root\":\"/srv/c\",\"parent\":\"tiny\",\"max_model_len\":null"));
	assert_null(strstr(models, "lora-b"));
	assert_non_null(strstr(post(s, "/v1/chat/completions", "{\"model\":\"lora-c\"," MESSAGES ",\"max_tokens\":1}"),
			       "\"model\":\"lora-c\""));
	assert_non_null(strstr(post(s, "/v1/chat/completions", "{\"model\":\"lora-b\"," MESSAGES "}"), "HTTP/1.1 404"));
	const char *page = get(s, "GET", "/metrics", "");
	assert_non_null(strstr(
		page,
		"lora_requests_info{max_lora=\"4\",running_lora_adapters=\"lora-c\",waiting_lora_adapters=\"\"} 1"));
	/* The set that is true now has the greatest value. */
	double now = number_after(page, "running_lora_adapters=\"\",waiting_lora_adapters=\"\"} ");
	assert_true(now > number_after(page, "running_lora_adapters=\"lora-c\",waiting_lora_adapters=\"\"} "));
	stop(s);
}

/* ---- faults ---- */

static const struct spoiled {
	const char *fault;
	bool stream;
	enum heard end;
	const char *has, *lacks;
} spoiled[] = {
	{ "stop", true, OPEN, "\"content\":\"\"", "[DONE]" },
	{ "stop", false, OPEN, "content-length", "completion_tokens_details" },
	{ "cut", true, CLOSED, "\"content\":\"\"", "[DONE]" },
	{ "cut", false, CLOSED, "content-length", "completion_tokens_details" },
	{ "reset", true, RESET, "", "[DONE]" },
	{ "reset", false, RESET, "", "completion_tokens_details" },
	{ "half-close", true, CLOSED, "\"content\":\"\"", "[DONE]" },
	{ "garbage", true, CLOSED, "rubbish", "HTTP/1.1" },
	{ "badstatus", true, CLOSED, "HTTP/1.1 2OO Fine", "[DONE]" },
	{ "cl-te", true, CLOSED, "content-length: 11\r\ntransfer-encoding: chunked\r\n", "fff\r\n" },
	{ "cl-te", false, CLOSED, "content-length: 11\r\ntransfer-encoding: chunked\r\n", "fff\r\n" },
	{ "short", true, CLOSED, "[DONE]\n\n\r\nfff\r\ndata: ", "0\r\n\r\n" },
	{ "short", false, CLOSED, "content-length", "completion_tokens_details" },
	{ "long", true, CLOSED, "0\r\n\r\nHTTP/1.1 200 OK", "fff\r\n" },
	{ "long", false, CLOSED, "\"metrics\":null}surplus", "chunked" },
	{ "hang", true, OPEN, "", "HTTP" },
	{ "drip", true, OPEN, "\r\n1\r\nd\r\n1\r\na\r\n", "[DONE]" },
	{ "drip", false, OPEN, "H", "choices" },
	{ "status=429:retry-after=3", true, CLOSED, "HTTP/1.1 429 Too Many Requests\r\n", "[DONE]" },
	{ "status=429:retry-after=3", false, CLOSED, "retry-after: 3\r\n", "choices" },
	{ "cut:at=0", true, CLOSED, "HTTP/1.1 200 OK", "data:" },
	{ "cut:at=3", true, CLOSED, "data:", "[DONE]" },
};

static void each_fault_does_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++) {
		const struct spoiled *f = &spoiled[i];
		struct server s = serve(
			(struct mock_options){ .models = { "tiny" }, .faults = { f->fault }, .speed = 1000 });
		int fd = ask(s, "POST", "/v1/chat/completions",
			     f->stream ? CHAT ",\"max_tokens\":9,\"stream\":true}" : CHAT ",\"max_tokens\":9}");
		bool drips = strcmp(f->fault, "drip") == 0;
		if (drips)
			usleep(450000);
		enum heard how = hear(fd, answer, f->end != OPEN ? 3000 : drips ? 20 : 250);
		close(fd);
		if (how != f->end || !strstr(answer, f->has) || strstr(answer, f->lacks))
			fail_msg("%s, stream %d: ended %d\n%s", f->fault, f->stream, how, answer);
		/* The rest of the server is well. */
		assert_non_null(strstr(get(s, "GET", "/health", ""), "HTTP/1.1 200"));
		stop(s);
	}
}

static void a_stream_is_cut_after_as_many_events_as_asked(void **state)
{
	(void)state;
	struct server s = serve((struct mock_options){ .models = { "tiny" }, .faults = { "cut:at=5" }, .speed = 100 });
	int fd = ask(s, "POST", "/v1/chat/completions", CHAT ",\"max_tokens\":50,\"stream\":true}");
	assert_int_equal(hear(fd, answer, 1000), CLOSED);
	assert_int_equal(count(answer, "data: "), 5);
	assert_true(metric(s, "vllm:num_requests_running") == 0);
	close(fd);
	stop(s);
}

static void faults_change_while_it_runs(void **state)
{
	(void)state;
	struct server s = tiny();
	const char *got = get(s, "PUT", "/mock/faults", "[\"status=500:count=1\",\"metrics=nan\"]");
	assert_non_null(strstr(got, "{\"faults\":[{\"spec\":\"status=500:count=1\",\"hits\":0,\"open\":true},"));
	assert_non_null(strstr(post(s, "/v1/chat/completions", CHAT ",\"max_tokens\":1}"), "HTTP/1.1 500"));
	assert_non_null(strstr(post(s, "/v1/chat/completions", CHAT ",\"max_tokens\":1}"), "HTTP/1.1 200"));
	assert_non_null(strstr(get(s, "GET", "/metrics", ""),
			       "vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"} NaN\n"));
	got = get(s, "GET", "/mock/faults", "");
	assert_non_null(strstr(got, "\"hits\":1,\"open\":false"));
	/* A wrong list changes nothing. */
	got = get(s, "PUT", "/mock/faults", "[\"hang\",\"nope\"]");
	assert_non_null(strstr(got, "HTTP/1.1 400"));
	assert_non_null(strstr(got, "no fault is called 'nope'"));
	assert_non_null(strstr(post(s, "/v1/chat/completions", CHAT ",\"max_tokens\":1}"), "HTTP/1.1 200"));
	assert_non_null(strstr(get(s, "PUT", "/mock/faults", "{}"), "HTTP/1.1 400"));
	assert_non_null(strstr(get(s, "PUT", "/mock/faults", "rubbish"), "HTTP/1.1 400"));
	assert_non_null(strstr(get(s, "PUT", "/mock/faults", "[]"), "{\"faults\":[]}"));
	assert_true(metric(s, "vllm:num_requests_running") == 0);
	stop(s);
}

static void metrics_lie_on_demand(void **state)
{
	(void)state;
	static const struct {
		const char *lie, *has, *lacks;
	} rows[] = {
		{ "[\"metrics=inf\"]", "num_requests_waiting{engine=\"0\",model_name=\"tiny\"} +Inf\n", "NaN" },
		{ "[\"metrics=huge\"]", "kv_cache_usage_perc{engine=\"0\",model_name=\"tiny\"} 1e+308\n", "NaN" },
		{ "[\"metrics=negative\"]", "num_requests_running{engine=\"0\",model_name=\"tiny\"} -1.0\n", "NaN" },
		{ "[\"metrics=empty\"]", "content-length: 0\r\n", "vllm:" },
		{ "[\"metrics=garbage\"]", "NaNaN", "# HELP" },
		{ "[\"metrics=duplicate\"]", "num_requests_running{engine=\"0\",model_name=\"tiny\"} 17.0\n", "NaN" },
		{ "[\"metrics=idle\"]", "num_requests_running{engine=\"0\",model_name=\"tiny\"} 0.0\n", "NaN" },
	};
	struct server s = tiny();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		get(s, "PUT", "/mock/faults", rows[i].lie);
		const char *page = get(s, "GET", "/metrics", "");
		assert_non_null(strstr(page, rows[i].has));
		assert_null(strstr(page, rows[i].lacks));
	}
	/* A page that comes late does not hold up the server, and may be given up on. */
	get(s, "PUT", "/mock/faults", "[\"metrics=slow\"]");
	int fd = ask(s, "GET", "/metrics", "");
	assert_int_equal(hear(fd, answer, 200), OPEN);
	assert_string_equal(answer, "");
	close(fd);
	assert_non_null(strstr(get(s, "GET", "/health", ""), "200 OK"));
	stop(s);
}

static void refusal_closes_the_listener_for_its_window(void **state)
{
	(void)state;
	struct server s = tiny();
	get(s, "PUT", "/mock/faults", "[\"refuse:for=300ms\"]");
	int fd = dial(s);
	assert_int_equal(fd, -1);
	usleep(500000);
	assert_non_null(strstr(get(s, "GET", "/health", ""), "200 OK"));
	get(s, "PUT", "/mock/faults", "[\"refuse:count=1\"]");
	fd = dial(s);
	if (fd >= 0)
		assert_int_equal(hear(fd, answer, 1000), RESET);
	close(fd);
	assert_non_null(strstr(get(s, "GET", "/health", ""), "200 OK"));
	stop(s);
}

static void wrong_options_are_refused(void **state)
{
	(void)state;
	static const struct {
		struct mock_options o;
		const char *says;
	} rows[] = {
		{ { .profile = "h200-9b" }, "no profile is called 'h200-9b': there are h100-8b, a100-8b" },
		{ { .faults = { "nope" } }, "--fault nope: no fault is called 'nope'" },
		{ { .listen = "nowhere" }, "nowhere" },
		{ { .profile = "l4-8b", .max_model_len = 40000 },
		  "max_model_len 40000 does not fit the KV cache of 30000 tokens" },
		{ { .loras = { "a", "a" } }, "--lora a: " },
		{ { .loras = { "a b" } }, "--lora a b: " },
		{ { .models = { "a\"b" } }, "--model: a name of 1 to 127 bytes" },
	};
	struct loop *l = loop_new("mock", 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err e = { 0 };
		assert_null(mock_start(l, &rows[i].o, &e));
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s\nlacks %s", e.text, rows[i].says);
	}
	loop_free(l);
}

int main(void)
{
	descriptors_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_the_real_engine),
		cmocka_unit_test(too_long_a_prompt_is_refused_by_characters),
		cmocka_unit_test(the_same_seed_says_the_same),
		cmocka_unit_test(the_next_turn_finds_the_last_in_the_cache),
		cmocka_unit_test(tools_are_called),
		cmocka_unit_test(metrics_are_what_happened),
		cmocka_unit_test(a_client_that_leaves_frees_the_engine),
		cmocka_unit_test(an_open_request_does_not_outlive_its_server),
		cmocka_unit_test(adapters_come_and_go),
		cmocka_unit_test(each_fault_does_what_it_says),
		cmocka_unit_test(a_stream_is_cut_after_as_many_events_as_asked),
		cmocka_unit_test(faults_change_while_it_runs),
		cmocka_unit_test(metrics_lie_on_demand),
		cmocka_unit_test(refusal_closes_the_listener_for_its_window),
		cmocka_unit_test(wrong_options_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
