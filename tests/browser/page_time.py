"""How long does a page take to answer?"""


def time_of_task(page, script, count):
    """The milliseconds of the page's own thread for one of `count` runs of a script, with layout.

    Whatever else runs on the machine does not count.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(x["value"] for x in metrics if x["name"] == "TaskDuration")

    before = spent()
    for i in range(count):
        page.evaluate(f"i => {{ {script}; document.body.getBoundingClientRect(); }}", i)
    return 1000 * (spent() - before) / count
