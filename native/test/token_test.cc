// Deadlines, order and the end of a token.
#include "cryptoki/token.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include "fake_library.h"
#include "temporary_folder.h"

namespace hsm {
namespace {

using std::chrono::milliseconds;

class Recorder : public TokenSink {
 public:
  void answer(std::uint64_t ticket, Outcome outcome) override {
    const std::lock_guard lock(mutex_);
    order_.push_back(ticket);
    EXPECT_TRUE(answers_.emplace(ticket, std::move(outcome)).second) << "answered twice: " << ticket;
    changed_.notify_all();
  }
  void event(TokenEvent event) override {
    const std::lock_guard lock(mutex_);
    events_.push_back(event.kind);
    changed_.notify_all();
  }
  const Outcome& wait(std::uint64_t ticket) {
    std::unique_lock lock(mutex_);
    const bool arrived = changed_.wait_for(lock, milliseconds(10'000), [&] { return answers_.contains(ticket); });
    EXPECT_TRUE(arrived) << "no answer to " << ticket;
    return answers_[ticket];
  }
  const Error& error(std::uint64_t ticket) {
    static const Error none = Error::own(ErrorClass::Internal, "", "no error");
    const auto* error = std::get_if<Error>(&wait(ticket));
    EXPECT_NE(error, nullptr) << "no error for " << ticket;
    return error == nullptr ? none : *error;
  }
  std::vector<std::uint64_t> order() {
    const std::lock_guard lock(mutex_);
    return order_;
  }
  bool answered(std::uint64_t ticket) {
    const std::lock_guard lock(mutex_);
    return answers_.contains(ticket);
  }
  bool waitForEvent(TokenEvent::Kind kind) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, milliseconds(10'000),
                             [&] { return std::find(events_.begin(), events_.end(), kind) != events_.end(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Outcome> answers_;
  std::vector<std::uint64_t> order_;
  std::vector<TokenEvent::Kind> events_;
};

// Holds a call of the library back until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    arrived_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void waitUntilReached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return arrived_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool arrived_ = false;
  bool open_ = false;
};

class TokenTest : public testing::Test {
 protected:
  void start(std::size_t queueLimit = 100) {
    DeviceOptions options;
    options.select.serialNumber = "FAKE0001";
    const std::string pin = "648219";
    options.pin = SecureBytes(std::span(reinterpret_cast<const std::uint8_t*>(pin.data()), pin.size()));
    options.objectCapacity = 100;
    options.maxValueLength = 100;
    options.stateDirectory = folder_.path();
    auto started = Token::start([this] { return Result(Module::fromFunctionList(library_.functions(), "fake")); },
                                std::move(options), deadlines_, queueLimit, sink_);
    ASSERT_TRUE(started.ok());
    token_ = started.value();
    token_->submit(1, OpenRequest{});
    ASSERT_TRUE(std::holds_alternative<OpenOutcome>(sink_->wait(1)));
  }
  void TearDown() override {
    gate_.open();
    if (token_ == nullptr) return;
    token_->abandon();
    // The fake must outlive the thread, also one that hung until now.
    while (token_.use_count() > 1) token_->waitUntilEnded(milliseconds(1));
  }
  void holdBack(const std::string& function) {
    library_.intercept = [this, function](const std::string& called) {
      if (called == function) gate_.pass();
      return CKR_OK;
    };
  }
  static ApplyRequest creates(const std::string& label) {
    ApplyRequest request;
    const std::string value = "v";
    request.operations.emplace_back(CreateOperation{
        label, "app", SecureBytes(std::span(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()))});
    return request;
  }

  test::TemporaryFolder folder_;
  test::FakeLibrary library_;
  Gate gate_;
  Deadlines deadlines_;
  std::shared_ptr<Recorder> sink_ = std::make_shared<Recorder>();
  std::shared_ptr<Token> token_;
};

TEST_F(TokenTest, CarriesRequestsOutInTheOrderOfTheCalls) {
  start();
  holdBack("C_CreateObject");
  token_->submit(2, creates("a"));
  gate_.waitUntilReached();
  token_->submit(3, ListRequest{});
  token_->submit(4, creates("b"));
  token_->submit(5, ListRequest{});
  gate_.open();
  EXPECT_EQ(std::get_if<Listing>(&sink_->wait(3))->objects.size(), 1U);
  EXPECT_EQ(std::get_if<Listing>(&sink_->wait(5))->objects.size(), 2U);
  EXPECT_EQ(sink_->order(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
}

TEST_F(TokenTest, ACallThatHangsIsAnsweredAtItsDeadlineAndNothingIsTriedAfterIt) {
  deadlines_.write = milliseconds(60);
  start();
  holdBack("C_CreateObject");
  const auto begun = Token::Clock::now();
  token_->submit(2, creates("a"));
  token_->submit(3, ListRequest{});
  EXPECT_EQ(sink_->error(2).errorClass, ErrorClass::Timeout);
  const auto waited = Token::Clock::now() - begun;
  EXPECT_GE(waited, milliseconds(50));
  EXPECT_LT(waited, milliseconds(5'000));
  EXPECT_EQ(sink_->error(3).errorClass, ErrorClass::Timeout) << "what waits behind it is not left waiting";
  EXPECT_TRUE(sink_->waitForEvent(TokenEvent::Kind::Hung));
  token_->submit(4, ListRequest{});
  EXPECT_TRUE(sink_->answered(4)) << "at once";
  EXPECT_EQ(sink_->error(4).errorClass, ErrorClass::Timeout);
  token_->close(5);
  EXPECT_TRUE(sink_->answered(5)) << "a hung token can be closed";
  EXPECT_TRUE(token_->waitUntilEnded(milliseconds(0)));
}

TEST_F(TokenTest, WaitingTooLongIsNotAHang) {
  deadlines_.read = milliseconds(30);
  start();
  holdBack("C_CreateObject");
  token_->submit(2, creates("a"));
  token_->submit(3, ListRequest{});
  EXPECT_EQ(sink_->error(3).errorClass, ErrorClass::Timeout);
  gate_.open();
  EXPECT_TRUE(std::holds_alternative<ApplyOutcome>(sink_->wait(2)));
  token_->submit(4, ListRequest{});
  EXPECT_TRUE(std::holds_alternative<Listing>(sink_->wait(4)));
}

TEST_F(TokenTest, AFullQueueIsBusy) {
  start(2);
  holdBack("C_CreateObject");
  token_->submit(2, creates("a"));
  gate_.waitUntilReached();
  token_->submit(3, ListRequest{});
  token_->submit(4, ListRequest{});
  token_->submit(5, ListRequest{});
  EXPECT_EQ(sink_->error(5).errorClass, ErrorClass::Busy);
  gate_.open();
  EXPECT_TRUE(std::holds_alternative<Listing>(sink_->wait(4)));
}

TEST_F(TokenTest, CloseLetsTheRunningCallEndAndDropsTheRest) {
  start();
  holdBack("C_CreateObject");
  token_->submit(2, creates("a"));
  gate_.waitUntilReached();
  token_->submit(3, creates("b"));
  token_->close(4);
  EXPECT_EQ(sink_->error(3).errorClass, ErrorClass::TokenGone);
  gate_.open();
  EXPECT_TRUE(std::holds_alternative<ApplyOutcome>(sink_->wait(2)));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(sink_->wait(4)));
  EXPECT_TRUE(token_->waitUntilEnded(milliseconds(10'000)));
  EXPECT_FALSE(library_.initialized);
  EXPECT_EQ(library_.objects.size(), 1U);
  token_->submit(5, ListRequest{});
  EXPECT_EQ(sink_->error(5).errorClass, ErrorClass::TokenGone);
  token_->close(6);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(sink_->wait(6))) << "twice does no harm";
}

TEST_F(TokenTest, ARequestThatHasNotBegunCanBeTakenBack) {
  start();
  holdBack("C_CreateObject");
  token_->submit(2, creates("a"));
  gate_.waitUntilReached();
  token_->submit(3, creates("b"));
  EXPECT_TRUE(token_->withdraw(3));
  EXPECT_FALSE(token_->withdraw(2)) << "that one runs";
  gate_.open();
  token_->submit(4, ListRequest{});
  EXPECT_EQ(std::get_if<Listing>(&sink_->wait(4))->objects.size(), 1U);
  EXPECT_FALSE(sink_->answered(3));
}

TEST_F(TokenTest, ALostTokenIsLookedForWithoutBeingAsked) {
  start();
  library_.present = false;
  token_->submit(2, ReadRequest{{1}});
  sink_->wait(2);
  token_->submit(3, RefreshRequest{});
  EXPECT_EQ(sink_->error(3).errorClass, ErrorClass::TokenGone);
  EXPECT_TRUE(sink_->waitForEvent(TokenEvent::Kind::Gone));
  library_.present = true;
  EXPECT_TRUE(sink_->waitForEvent(TokenEvent::Kind::Back));
}

TEST_F(TokenTest, AnOpenThatFailsEndsTheToken) {
  library_.present = false;
  auto started = Token::start([this] { return Result(Module::fromFunctionList(library_.functions(), "fake")); },
                              DeviceOptions{}, deadlines_, 10, sink_);
  ASSERT_TRUE(started.ok());
  started.value()->submit(1, OpenRequest{});
  EXPECT_EQ(sink_->error(1).errorClass, ErrorClass::TokenGone);
  EXPECT_TRUE(started.value()->waitUntilEnded(milliseconds(10'000)));
  while (started.value().use_count() > 1) started.value()->waitUntilEnded(milliseconds(1));
  EXPECT_FALSE(library_.initialized) << "the library was let go";
}

}  // namespace
}  // namespace hsm
