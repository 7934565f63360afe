import asyncio, http.client, os, shutil, subprocess, tempfile, urllib.error, urllib.request


def t(f):
    """Prints what a function that must fail gave, or what it raised."""
    try:
        got = f()
        print('LEAK:' + str(got)[:80])
    except BaseException as e:
        print('DENIED:' + type(e).__name__ + ':' + str(e)[:160])


def get(url, **more):
    return urllib.request.urlopen(url, timeout=10, **more).read().decode()


def told(f):
    """What a function gives, or the class and the text of what it raises."""
    try:
        return f()
    except Exception as e:
        return f'{type(e).__name__}: {e}'
