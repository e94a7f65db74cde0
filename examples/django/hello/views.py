import platform

import django
from django.shortcuts import render


def home(request):
    return render(request, "home.html", {"django": django.get_version(), "python": platform.python_version()})
