#include "addon/sha256_job.h"

#include <algorithm>
#include <utility>

#include "addon/values.h"
#include "cryptoki/secure_bytes.h"
#include "sha256/batch.h"

namespace hsm::addon {
namespace {

constexpr std::size_t kInline = 64 * 1024;
constexpr std::size_t kSlice = 512 * 1024;

napi_value errorOf(Napi::Env env, const char* text) {
  napi_value message = nullptr;
  napi_value error = nullptr;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
      napi_create_error(env, nullptr, message, &error) != napi_ok) {
    return nullptr;
  }
  return error;
}

// One promise, and the pieces of work that lead to it, one after another. Deletes itself when it settles.
class Job {
 public:
  explicit Job(Napi::Env env) : env_(env) {}
  virtual ~Job() {
    if (work_ != nullptr) napi_delete_async_work(env_, work_);
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Takes over the job.
  static napi_value begin(std::unique_ptr<Job> job) {
    napi_value promise = nullptr;
    if (napi_create_promise(job->env_, &job->deferred_, &promise) != napi_ok) return nullptr;
    job.release()->advance();
    return promise;
  }

 protected:
  // The next piece: false when there is none. On the JavaScript thread.
  virtual bool prepare() = 0;
  // On libuv's pool.
  virtual void work() = 0;
  // The promise's value; null when it cannot be made.
  virtual napi_value finish() = 0;
  // Why the job failed; null while it has not. Called at most once.
  virtual void abandoned() {}

  Napi::Env env_;
  const char* failure_ = nullptr;

 private:
  void advance() {
    if (prepare()) {
      if (queue()) return;
      failure_ = "Node takes no more work.";
    }
    settle();
  }

  bool queue() {
    napi_value name = nullptr;
    return napi_create_string_utf8(env_, "hsm-sha256", NAPI_AUTO_LENGTH, &name) == napi_ok &&
           napi_create_async_work(
               env_, nullptr, name, [](napi_env, void* self) { static_cast<Job*>(self)->work(); }, &Job::onDone, this,
               &work_) == napi_ok &&
           napi_queue_async_work(env_, work_) == napi_ok;
  }

  static void onDone(napi_env env, napi_status status, void* self) {
    auto* job = static_cast<Job*>(self);
    napi_delete_async_work(env, std::exchange(job->work_, nullptr));
    if (status != napi_ok) job->failure_ = "The hash was cancelled.";
    if (job->failure_ == nullptr) {
      job->advance();
    } else {
      job->settle();
    }
  }

  // When the environment is going down nothing can be settled any more, and nothing has to be.
  void settle() {
    napi_value value = nullptr;
    if (failure_ == nullptr) {
      value = finish();
      if (value == nullptr) failure_ = "The digest does not fit into JavaScript's memory.";
    } else {
      abandoned();
    }
    if (failure_ == nullptr) {
      napi_resolve_deferred(env_, deferred_, value);
    } else {
      if (env_.IsExceptionPending()) (void)env_.GetAndClearPendingException();
      if (napi_value error = errorOf(env_, failure_); error != nullptr) napi_reject_deferred(env_, deferred_, error);
    }
    delete this;
  }

  napi_deferred deferred_ = nullptr;
  napi_async_work work_ = nullptr;
};

class SliceJob : public Job {
 public:
  SliceJob(Napi::Env env, std::shared_ptr<Sha256> hash, napi_value array, std::size_t length,
           std::function<napi_value(bool)> finish)
      : Job(env), hash_(std::move(hash)), length_(length), finish_(std::move(finish)) {
    if (length_ > kInline && napi_create_reference(env, array, 1, &array_) != napi_ok) failure_ = "No memory.";
  }
  ~SliceJob() override {
    if (array_ != nullptr) napi_delete_reference(env_, array_);
    if (!slice_.empty()) wipeMemory(slice_.data(), slice_.size());
  }

 protected:
  bool prepare() override {
    if (failure_ != nullptr || array_ == nullptr || at_ == length_) return false;
    napi_value array = nullptr;
    if (napi_get_reference_value(env_, array_, &array) != napi_ok || array == nullptr) {
      failure_ = "The data is gone.";
      return false;
    }
    const auto data = bytesArgument(env_, array, "data");
    if (!data || data->size() != length_) {
      failure_ = "The data was resized or transferred while it was hashed.";
      return false;
    }
    const auto next = data->subspan(at_, std::min(kSlice, length_ - at_));
    slice_.assign(next.begin(), next.end());
    at_ += next.size();
    return true;
  }
  void work() override { hash_->update(slice_); }
  napi_value finish() override { return finish_(false); }
  void abandoned() override { (void)finish_(true); }

 private:
  const std::shared_ptr<Sha256> hash_;
  const std::size_t length_;
  const std::function<napi_value(bool)> finish_;
  napi_ref array_ = nullptr;
  std::size_t at_ = 0;
  std::vector<std::uint8_t> slice_;
};

class BatchJob : public Job {
 public:
  using ToJs = napi_value (*)(Napi::Env, const std::vector<Digest>&);
  BatchJob(Napi::Env env, const std::vector<std::span<const std::uint8_t>>& messages, ToJs toJs)
      : Job(env), toJs_(toJs), digests_(messages.size()) {
    std::size_t total = 0;
    for (const auto& message : messages) total += message.size();
    bytes_.reserve(total);  // the spans below stay where they are
    messages_.reserve(messages.size());
    for (const auto& message : messages) {
      const std::size_t at = bytes_.size();
      bytes_.insert(bytes_.end(), message.begin(), message.end());
      messages_.emplace_back(bytes_.data() + at, message.size());
    }
    pending_ = total > kInline;
    if (!pending_) work();
  }
  ~BatchJob() override {
    if (!bytes_.empty()) wipeMemory(bytes_.data(), bytes_.size());
  }

 protected:
  bool prepare() override { return std::exchange(pending_, false); }
  void work() override { sha256Batch(messages_, digests_); }
  napi_value finish() override { return toJs_(env_, digests_); }

 private:
  const ToJs toJs_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::span<const std::uint8_t>> messages_;
  std::vector<Digest> digests_;
  bool pending_ = false;
};

}  // namespace

napi_value hashOffThread(Napi::Env env, std::shared_ptr<Sha256> hash, napi_value array,
                         std::span<const std::uint8_t> data, std::function<napi_value(bool failed)> finish) {
  if (data.size() <= kInline) hash->update(data);
  return Job::begin(std::make_unique<SliceJob>(env, std::move(hash), array, data.size(), std::move(finish)));
}

napi_value batchOffThread(Napi::Env env, const std::vector<std::span<const std::uint8_t>>& messages,
                          napi_value (*toJs)(Napi::Env env, const std::vector<Digest>& digests)) {
  return Job::begin(std::make_unique<BatchJob>(env, messages, toJs));
}

}  // namespace hsm::addon
