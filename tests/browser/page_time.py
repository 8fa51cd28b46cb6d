"""How long does a page take to answer?"""


def time_of_task(page, script, count):
    """The milliseconds of the page's own thread for one run of a script, with layout.

    The least of five means, each of `count` runs: what else runs on the machine takes no time of
    this thread, but slows it down.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(x["value"] for x in metrics if x["name"] == "TaskDuration")

    def mean():
        before = spent()
        for i in range(count):
            page.evaluate(f"i => {{ {script}; document.body.getBoundingClientRect(); }}", i)
        return 1000 * (spent() - before) / count

    return min(mean() for _ in range(5))
