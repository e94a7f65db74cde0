#include "daemon/failure.h"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <new>

#include "builder/build.h"

namespace kiln::daemon {

Failed describe_failure(const std::exception_ptr& exception) {
  Failed failed;
  try {
    std::rethrow_exception(exception);
  } catch (const StepError& error) {
    failed.code = error.code();
    failed.message = error.what();
    failed.step = error.step();
    failed.exit_code = error.exit_code();
    failed.log_tail = error.log_tail();
  } catch (const Error& error) {
    failed.code = error.code();
    failed.message = error.what();
  } catch (const boost::system::system_error& error) {
    const bool aborted = error.code() == boost::asio::error::operation_aborted;
    failed.code = aborted ? Errc::cancelled : Errc::internal;
    failed.message = aborted ? "cancelled" : error.what();
  } catch (const std::bad_alloc&) {
    failed.code = Errc::unavailable;
    failed.message = "kilnd is out of memory";
  } catch (const std::exception& error) {
    failed.code = Errc::internal;
    failed.message = error.what();
  } catch (...) {
    failed.code = Errc::internal;
    failed.message = "unknown exception";
  }
  return failed;
}

int http_status(Errc code) {
  switch (code) {
    case Errc::invalid_input:
      return 400;
    case Errc::denied:
      return 403;
    case Errc::not_found:
      return 404;
    case Errc::cancelled:
      return 499;
    case Errc::unavailable:
      return 503;
    case Errc::corrupt:
    case Errc::step_failed:
    case Errc::internal:
      return 500;
  }
  return 500;
}

Reply error_reply(const std::exception_ptr& exception) {
  Failed failed = describe_failure(exception);
  return {http_status(failed.code), to_json(ErrorReply{failed.code, std::move(failed.message)})};
}

}  // namespace kiln::daemon
