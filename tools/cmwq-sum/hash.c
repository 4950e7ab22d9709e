/* SPDX-License-Identifier: MIT */
/*
 * hash.c - files are read and hashed by work items.
 *
 * Each directory gets a few items ("jobs") which claim its files one by one;
 * so a job costs nothing per file, and no file waits for a slower neighbour.
 * After RUN_BYTES or RUN_FILES a job queues itself again, at the end of the
 * queue, and the others get their turn.
 *
 * The queue is unbound: a directory is read on one CPU, its files are for all.
 * A read that blocks needs no care here: the library sees it and starts the
 * next item, up to the queue's max_active.
 *
 * A file of more than BIG_FILE bytes is hashed in several runs, between which
 * its job keeps it open; as that takes long, another job is added which goes
 * on claiming, and this one ends with its file. To bound how many are open, it
 * needs one of `slots`; a job that gets none is parked, and queued by the one who
 * frees a slot. That may happen before the parked job has even returned; since an
 * item never runs twice at once, it need not care.
 *
 * slot_lock guards slots and the list of parked jobs, buffer_lock the buffers.
 */
#include "sum.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A piece fits in the L2 cache and takes a fraction of a millisecond. */
#define PIECE	      ((size_t)256 << 10)
#define BIG_FILE      ((off_t)1 << 20)
#define RUN_BYTES     ((size_t)4 << 20)
#define RUN_FILES     64
#define FILES_PER_JOB 8

struct job {
	struct work_struct work;
	struct dir *dir;
	struct entry *entry; /* the file that it has claimed, or NULL */
	EVP_MD_CTX *ctx;     /* kept between runs if a file is open */
	int dirfd;	     /* pinned for the length of a run, or -1 */
	int fd;		     /* of the entry, or -1 */
	bool big;
	bool slot;
	bool replaced; /* another job claims in its place */
	struct job *next_parked;
};

struct buffer {
	unsigned char bytes[PIECE];
	struct buffer *next;
};

static EVP_MD *sha256;

static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;
static int slots;
static struct job *parked, **parked_tail = &parked;

static pthread_mutex_t buffer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer *buffers;

/* The one used last is the one in the cache: a stack. There are never more
 * than items run at once. */
static struct buffer *buffer_get(void)
{
	struct buffer *buffer;

	pthread_mutex_lock(&buffer_lock);
	buffer = buffers;
	if (buffer)
		buffers = buffer->next;
	pthread_mutex_unlock(&buffer_lock);
	return buffer ? buffer : xrealloc(NULL, 1, sizeof(*buffer));
}

static void buffer_put(struct buffer *buffer)
{
	pthread_mutex_lock(&buffer_lock);
	buffer->next = buffers;
	buffers = buffer;
	pthread_mutex_unlock(&buffer_lock);
}

/* True if the job has a slot now, false if it was parked. */
static bool slot_get(struct job *job)
{
	bool got;

	pthread_mutex_lock(&slot_lock);
	got = slots > 0;
	if (got) {
		slots--;
		job->slot = true;
	} else {
		job->next_parked = NULL;
		*parked_tail = job;
		parked_tail = &job->next_parked;
	}
	pthread_mutex_unlock(&slot_lock);
	return got; /* job->slot may be a later gift already */
}

/* Give the slot to a parked job if there is one. */
static void slot_put(struct job *job)
{
	struct job *heir;

	job->slot = false;
	pthread_mutex_lock(&slot_lock);
	heir = parked;
	if (!heir) {
		slots++;
	} else {
		heir->slot = true;
		parked = heir->next_parked;
		if (!parked)
			parked_tail = &parked;
	}
	pthread_mutex_unlock(&slot_lock);
	if (heir)
		queue_work(hash_wq, &heir->work);
}

/* Take the next file of the directory that nobody has claimed yet. */
static bool job_claim(struct job *job)
{
	struct dir *dir = job->dir;
	size_t i;

	while ((i = atomic_fetch_add(&dir->claimed, 1)) < dir->nr) {
		struct entry *entry = &dir->entries[i];

		if (entry->kind != KIND_FILE)
			continue;
		if (atomic_load(&entry->done)) { /* an argument with an error */
			atomic_fetch_add(&counters.done, 1);
			continue;
		}
		job->entry = entry;
		return true;
	}
	return false;
}

/*
 * Open the claimed file. O_NONBLOCK because it may have been replaced by a
 * FIFO since its directory was read. Returns 0 or an errno.
 */
static int job_open(struct job *job)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	if (job->dirfd < 0)
		job->dirfd = dir_pin(job->dir);
	if (job->dirfd < 0)
		return errno;
	if (job->dir != tree_root)
		flags |= O_NOFOLLOW;
	job->fd = openat(job->dirfd, entry_name(job->dir, job->entry), flags);
	if (job->fd < 0 || fstat(job->fd, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return NOT_HASHABLE;
	job->big = st.st_size > BIG_FILE;
	if (job->big) {
		posix_fadvise(job->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		if (!job->slot) /* else it was parked, and is counted */
			atomic_fetch_add(&counters.expected, st.st_size);
	}
	if (!job->ctx)
		job->ctx = EVP_MD_CTX_new();
	if (!job->ctx || !EVP_DigestInit_ex2(job->ctx, sha256, NULL))
		return ENOMEM;
	return 0;
}

static void job_close(struct job *job)
{
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
}

/* The claimed file is hashed, or could not be. */
static void job_file_done(struct job *job, int error)
{
	struct entry *entry = job->entry;

	if (!error && !EVP_DigestFinal_ex(job->ctx, entry->digest, NULL))
		error = EIO;
	entry->error = error;
	job_close(job);
	if (job->slot)
		slot_put(job);
	job->entry = NULL;
	atomic_fetch_add(&counters.done, 1);
	entry_done(entry);
}

/*
 * Read and hash: all of a small file, a piece of a big one. Returns true if
 * that was the end of the file.
 */
static bool job_hash(struct job *job, struct buffer *buffer, size_t *bytes)
{
	ssize_t n;

	do {
		n = read(job->fd, buffer->bytes, PIECE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			job_file_done(job, n < 0 ? errno : 0);
			return true;
		}
		EVP_DigestUpdate(job->ctx, buffer->bytes, n);
		atomic_fetch_add(&counters.bytes, n);
		*bytes += n;
	} while (!job->big && !stopping());
	return false;
}

static void job_add(struct dir *dir);

enum after_run {
	JOB_FINISHED,
	JOB_AGAIN,
	JOB_PARKED
};

static enum after_run job_run(struct job *job, struct buffer *buffer)
{
	size_t bytes = 0;
	int files = 0;

	while (bytes < RUN_BYTES && files < RUN_FILES) {
		if (stopping())
			return JOB_FINISHED;
		if (!job->entry && (job->replaced || !job_claim(job)))
			return JOB_FINISHED;
		if (job->fd < 0) {
			int error = job_open(job);

			if (error) {
				job_file_done(job, error);
				files++;
				continue;
			}
		}
		if (job->big && !job->slot && !slot_get(job)) {
			job_close(job);
			return JOB_PARKED;
		}
		if (job->big && !job->replaced) {
			job->replaced = true;
			job_add(job->dir);
		}
		files += job_hash(job, buffer, &bytes);
	}
	return JOB_AGAIN;
}

static void job_free(struct job *job)
{
	job_close(job);
	if (job->slot)
		slot_put(job);
	EVP_MD_CTX_free(job->ctx);
	dir_put(job->dir);
	free(job);
}

/* The work item. */
static void hash_work(struct work_struct *work)
{
	struct job *job = from_work(job, work, work);
	struct buffer *buffer = buffer_get();
	enum after_run next = job_run(job, buffer);

	buffer_put(buffer);
	if (job->dirfd >= 0)
		dir_unpin(job->dir);
	job->dirfd = -1;
	if (job->fd < 0) {
		EVP_MD_CTX_free(job->ctx);
		job->ctx = NULL;
	}
	if (next == JOB_AGAIN)
		queue_work(hash_wq, &job->work);
	else if (next == JOB_FINISHED)
		job_free(job); /* an item may free itself */
}

static void job_add(struct dir *dir)
{
	struct job *job = xrealloc(NULL, 1, sizeof(*job));

	*job = (struct job){ .dir = dir, .dirfd = -1, .fd = -1 };
	dir_get(dir);
	INIT_WORK(&job->work, hash_work);
	queue_work(hash_wq, &job->work);
}

/* Hash the files of a directory that was just read. */
void hash_dir(struct dir *dir)
{
	size_t jobs = dir->nr / FILES_PER_JOB + 1;

	if (jobs > (size_t)options.max_active)
		jobs = options.max_active;
	while (jobs-- > 0)
		job_add(dir);
}

/* The most files that are open at once: those in a run, those between two. */
unsigned int hash_open_files(void)
{
	return 2 * options.max_active;
}

void hash_start(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256) {
		complain("libcrypto has no SHA256", 0);
		exit(EXIT_TROUBLE);
	}
	slots = options.max_active;
}

void hash_end(void)
{
	while (buffers) {
		struct buffer *buffer = buffers;

		buffers = buffer->next;
		free(buffer);
	}
	EVP_MD_free(sha256);
}
