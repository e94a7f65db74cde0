// The same work asked for several times at once runs once.
//
// Thread: the event loop's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "builder/os/task_group.h"

namespace kiln::solver {

/// A table of running work by key. Whoever asks for a key that is running waits for it; work is
/// cancelled when the last of its waiters has gone, and runs on as long as one is left.
template <class Value>
class InFlight {
 public:
  using Work = std::function<boost::asio::awaitable<Value>()>;

  explicit InFlight(boost::asio::any_io_executor executor)
      : executor_(executor), background_(executor) {}

  /// The value of `key`'s work, begun now or already running. `work` owns all that it refers to: it
  /// may outlive the caller that began it.
  boost::asio::awaitable<Value> run(std::string key, Work work) {
    std::shared_ptr<Job> job;
    if (const auto found = jobs_.find(key); found != jobs_.end()) {
      job = found->second;
    } else {
      job = std::make_shared<Job>(executor_);
      jobs_.emplace(std::move(key), job);
      background_.spawn(run_job(job, std::move(work)));
    }
    const Waiter waiter(*this, job);
    co_await job->done.wait();
    if (job->failure) std::rethrow_exception(job->failure);
    co_return *job->value;
  }

  /// Waits until nothing runs; before destruction.
  boost::asio::awaitable<void> drain() { co_await background_.join(); }

 private:
  struct Job {
    explicit Job(boost::asio::any_io_executor executor) : done(std::move(executor)) {}
    os::Event done;
    std::optional<Value> value;
    std::exception_ptr failure;
    boost::asio::cancellation_signal stop;
    int waiters = 0;
  };

  /// Counts one waiter; the last one to leave unfinished work stops it.
  class Waiter {
   public:
    Waiter(InFlight& table, std::shared_ptr<Job> job) : table_(table), job_(std::move(job)) {
      ++job_->waiters;
    }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      if (--job_->waiters > 0 || job_->done.is_set()) return;
      table_.forget(*job_);
      job_->stop.emit(boost::asio::cancellation_type::terminal);
    }

   private:
    InFlight& table_;
    std::shared_ptr<Job> job_;
  };

  /// Takes the job out of the table, so that who asks from now on begins anew.
  void forget(const Job& job) {
    std::erase_if(jobs_, [&job](const auto& entry) { return entry.second.get() == &job; });
  }

  boost::asio::awaitable<void> run_job(std::shared_ptr<Job> job, Work work) {
    os::Event ended(executor_);
    boost::asio::co_spawn(
        executor_, work(),
        boost::asio::bind_cancellation_slot(
            job->stop.slot(), [&job, &ended](std::exception_ptr failure, Value value) {
              job->failure = failure;
              if (!failure) job->value = std::move(value);
              ended.set();
            }));
    // This frame holds what the work refers to: it stays until the work has ended, also at
    // shutdown.
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    while (!co_await ended.wait_or_cancelled())
      job->stop.emit(boost::asio::cancellation_type::terminal);
    forget(*job);
    job->done.set();
  }

  boost::asio::any_io_executor executor_;
  std::map<std::string, std::shared_ptr<Job>> jobs_;
  os::TaskGroup background_;
};

}  // namespace kiln::solver
